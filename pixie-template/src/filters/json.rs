//! `<script>const post = {{ post|json_script }};</script>`.
//!
//! askama's `json` writes `<`, `>`, `&` and `'` as `\u003c` and so on, but askama then escapes the result as
//! HTML, and users would have to write `|safe`. The result of this filter is not escaped again. It is safe
//! inside a script element, as text, and in a single-quoted attribute.
#![expect(missing_docs, reason = "filter_fn drops what stands above a filter; its documentation is in `filters.rs`")]

use std::fmt::Write as _;

use askama::{Values, filters::Safe};
use serde::Serialize;

#[askama::filter_fn]
pub fn json_script(value: impl Serialize, _: &dyn Values) -> askama::Result<Safe<String>> {
    let mut json = String::new();
    write!(json, "{}", askama::filters::json(value)?)?;
    // Line ends in JavaScript before ECMAScript 2019, but not in JSON.
    Ok(Safe(json.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")))
}
