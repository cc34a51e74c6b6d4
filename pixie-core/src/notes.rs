//! What the arguments and the answer of a handler say about themselves, for an OpenAPI document.
//!
//! An extractor notes in `FromRequest::needs` what it reads, and an answer in `IntoResponse::describe` what it
//! sends. Both name types only; the macros note the schemas of those types that have one. Without the feature
//! `openapi` the methods exist and keep nothing, so that nobody needs a `cfg` to call them.
#[cfg(feature = "openapi")]
pub(crate) mod kept;
#[cfg(not(feature = "openapi"))]
#[path = "notes/unkept.rs"]
pub(crate) mod kept;

pub use kept::Notes;

/// How a request proves who sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Security {
    /// `Authorization: Bearer …` (RFC 6750).
    BearerToken,
    /// `Authorization: Basic …` (RFC 7617).
    BasicLogin,
    /// The header with this name.
    InHeader(&'static str),
    /// The cookie with this name.
    InCookie(&'static str),
}
