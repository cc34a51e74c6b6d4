//! The methods of a path. Invariant: the list is sorted, has HEAD if it has GET, and always has OPTIONS.

use std::borrow::Cow;

use http::{HeaderValue, Method};

/// The methods of a path, as the value of an `Allow` header.
#[derive(Clone, Debug)]
pub struct Allowed<'r>(Cow<'r, HeaderValue>);

impl Allowed<'_> {
    /// Returns the list, such as `GET, HEAD, OPTIONS`.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// Returns the list as a header value, which is cheap to clone.
    pub fn header_value(&self) -> HeaderValue {
        self.0.clone().into_owned()
    }

    pub(crate) fn known(value: &HeaderValue) -> Allowed<'_> {
        Allowed(Cow::Borrowed(value))
    }

    pub(crate) fn by<'m>(methods: impl Iterator<Item = &'m Method>) -> Allowed<'static> {
        Allowed(Cow::Owned(allow(methods)))
    }
}

/// Returns the `Allow` header of routes for these methods.
pub(crate) fn allow<'m>(methods: impl Iterator<Item = &'m Method>) -> HeaderValue {
    let mut names: Vec<&str> = methods.map(Method::as_str).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    names.sort_unstable();
    names.dedup();
    HeaderValue::try_from(names.join(", ")).expect("a method is a token, which a header may hold")
}
