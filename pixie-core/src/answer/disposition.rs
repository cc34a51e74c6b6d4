//! Whether a browser shows or saves a body, and under which file name (RFC 6266 and RFC 8187).
//!
//! Invariant: a file name with any characters stays inside of its parameter.
use http::{HeaderValue, header};
use percent_encoding::{AsciiSet, utf8_percent_encode};

use crate::{Response, form::part_head::is_token, http::encoded_except};

/// All characters except `attr-char` of RFC 8187, section 3.2.1.
const ENCODED: &AsciiSet = &encoded_except(b"!#$&+-.^_`|~");

impl Response {
    /// Tells the browser to save the body under this name, which may contain any characters.
    ///
    /// ```
    /// use pixie_core::Response;
    /// let response = Response::new("a,b\n").content_type("text/csv").attachment("naïve.csv");
    /// assert_eq!(
    ///     response.headers()["content-disposition"],
    ///     "attachment; filename=\"na?ve.csv\"; filename*=UTF-8''na%C3%AFve.csv"
    /// );
    /// ```
    pub fn attachment(self, filename: &str) -> Response {
        self.disposed("attachment", filename)
    }

    /// Tells the browser to show the body, and to save it under this name, which may contain any characters.
    pub fn inline(self, filename: &str) -> Response {
        self.disposed("inline", filename)
    }

    fn disposed(mut self, kind: &str, filename: &str) -> Response {
        let plain: String = filename.chars().map(|char| if matches!(char, ' '..='~') { char } else { '?' }).collect();
        let mut header = match is_token(&plain) {
            true => format!("{kind}; filename={plain}"),
            false => format!("{kind}; filename=\"{}\"", plain.replace('\\', r"\\").replace('"', r#"\""#)),
        };
        // Some browsers decode `%41` in a plain name. The second form is unambiguous.
        if plain != filename || plain.contains('%') {
            header += &format!("; filename*=UTF-8''{}", utf8_percent_encode(filename, ENCODED));
        }
        let value = HeaderValue::try_from(header).expect("all of it is visible ASCII");
        self.headers_mut().insert(header::CONTENT_DISPOSITION, value);
        self
    }
}
