//! `RequestId`: what a request is called in logs, from the client over the main process to its worker.
//!
//! It owns which ids are believed. Making new ones takes randomness, so that is left to the app. Must stay true: an id can be
//! written into a header or a line of a log as it is.
use std::{fmt, ops::Deref, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue};

/// Ids of proxies and tracing tools have 16 to 55 characters; whatever is longer fills the log.
const ID_BYTES_MAX: usize = 128;

/// The id of a request: the client's `X-Request-Id` if that is well-formed, otherwise one that the app has made.
///
/// Requests of pool and stream routes have one, those of routes whose handler reads it, and all under `App::request_ids`. The
/// answer carries it as `X-Request-Id`. Anybody can send any id, so it says nothing about who asks, and two requests may have
/// the same.
///
/// ```
/// use pixie_core::{HeaderValue, RequestId};
/// assert!(RequestId::from_value(&HeaderValue::from_static("7b1f-2")).is_some());
/// assert!(RequestId::from_value(&HeaderValue::from_static("7b1f status=200")).is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The header that carries it.
    pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

    /// Takes an id: 1 to 128 letters, digits or any of `-_.:=+/@`; nothing else can harm neither a log nor a header.
    pub fn new(text: impl AsRef<str> + Into<Arc<str>>) -> Option<RequestId> {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:=+/@".contains(byte);
        let bytes = text.as_ref().as_bytes();
        ((1..=ID_BYTES_MAX).contains(&bytes.len()) && bytes.iter().all(is_plain)).then(|| RequestId(text.into()))
    }

    /// Takes the id out of the header's value.
    pub fn from_value(value: &HeaderValue) -> Option<RequestId> {
        RequestId::new(value.to_str().ok()?)
    }

    /// Takes the id that a client has sent; nothing if it sent more than one.
    pub fn from_headers(headers: &HeaderMap) -> Option<RequestId> {
        let mut sent = headers.get_all(RequestId::HEADER).iter();
        let (first, second) = (sent.next()?, sent.next());
        RequestId::from_value(first).filter(|_| second.is_none())
    }

    /// Returns the id as the header's value.
    pub fn to_value(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).expect("an id has no character that a header may not have")
    }

    /// Returns the text, shared.
    pub fn shared(&self) -> Arc<str> {
        self.0.clone()
    }
}

impl Deref for RequestId {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_that_harm_no_log_are_believed() {
        let long = "a".repeat(ID_BYTES_MAX + 1);
        for (text, is_believed) in [
            ("7b1f", true),
            ("Root=1-67891233-abcdef012345678912345678", true),
            ("6ba7b810-9dad-11d1-80b4-00c04fd430c8", true),
            (&long[1..], true),
            (&long, false),
            ("", false),
            ("a b", false),
            ("a\"b", false),
            ("a\nb", false),
            ("ä", false),
        ] {
            assert_eq!(RequestId::new(text).is_some(), is_believed, "{text:?}");
        }
    }

    #[test]
    fn two_ids_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(RequestId::HEADER, HeaderValue::from_static("one"));
        assert_eq!(RequestId::from_headers(&headers).as_deref(), Some("one"));
        headers.append(RequestId::HEADER, HeaderValue::from_static("two"));
        assert_eq!(RequestId::from_headers(&headers), None);
    }
}
