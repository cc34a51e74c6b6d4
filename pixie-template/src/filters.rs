//! Filters that every template can use without an import, in addition to those of askama.
//!
//! Examples of askama's filters are `{{ n|pluralize }}`, `{{ text|truncate(20) }}` and
//! `{{ size|filesizeformat }}`. To add a filter, write a function in a module `filters` beside the struct:
//!
//! ```
//! mod filters {
//!     use pixie_template::askama;
//!
//!     #[askama::filter_fn]
//!     pub fn shout(text: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
//!         let text = text.to_string();
//!         Ok(text.to_uppercase() + "!")
//!     }
//! }
//!
//! #[pixie_template::template(source = "{{ name|shout }}")]
//! struct Hello {
//!     name: &'static str,
//! }
//!
//! assert_eq!(Hello { name: "<b>" }.to_string(), "&#60;B&#62;!");
//! ```
//!
//! The names below always mean these filters. To call your own filter with the same name, write its path:
//! `{{ day|self::filters::date }}`.

#[cfg(feature = "markdown")]
mod commonmark;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "date")]
mod moment;

/// Renders Markdown as HTML, with all HTML inside it escaped: `{{ post.body|markdown }}`.
#[cfg(feature = "markdown")]
pub use commonmark::markdown;
/// Writes a value as JSON that is safe in a script element:
/// `<script>const post = {{ post|json_script }};</script>`.
#[cfg(feature = "json")]
pub use json::json_script;
#[cfg(feature = "date")]
pub use moment::Moment;
/// Formats a moment with a `strftime` pattern: `{{ post.written|date("%d %B %Y") }}`. The default is
/// `%Y-%m-%d`.
#[cfg(feature = "date")]
pub use moment::date;
