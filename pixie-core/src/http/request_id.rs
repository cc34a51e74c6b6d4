//! `RequestId`: the name of a request in logs, from the client through the main process to the worker.
//!
//! It decides which ids are accepted. The app makes new ids, because that needs randomness. Invariant: an id
//! can be written into a header or a line of a log without escaping.
use std::{fmt, ops::Deref, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue};

/// Limits the length of an id, in bytes. Ids of proxies and tracing tools have 16 to 55; longer ones only
/// fill the log.
const ID_BYTES_MAX: usize = 128;

/// The id of a request: the client's `X-Request-Id` if it is well-formed, otherwise one that the app makes.
///
/// Requests of pool and stream routes have an id, and requests of routes whose handler reads it; with
/// `App::request_ids`, all requests have one. The response carries it as `X-Request-Id`. A client can send
/// any id, so an id does not identify the client, and two requests may have the same id.
///
/// ```
/// use pixie_core::RequestId;
/// assert!(RequestId::new("7b1f-2").is_some());
/// assert!(RequestId::new("7b1f status=200").is_none());
///
/// fn order(id: RequestId) -> String {
///     format!("if something is wrong, tell us {id}")
/// }
/// # let _ = order;
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The header that carries the id.
    pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

    /// Returns an id of 1 to 128 ASCII letters, digits or `-_.:=+/@`, which are safe in logs and headers, or
    /// `None`.
    pub fn new(text: impl AsRef<str> + Into<Arc<str>>) -> Option<RequestId> {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:=+/@".contains(byte);
        let bytes = text.as_ref().as_bytes();
        ((1..=ID_BYTES_MAX).contains(&bytes.len()) && bytes.iter().all(is_plain)).then(|| RequestId(text.into()))
    }

    /// Returns the id that a client sent, or `None` if it sent several.
    pub fn from_headers(headers: &HeaderMap) -> Option<RequestId> {
        let mut sent = headers.get_all(RequestId::HEADER).iter();
        let (first, second) = (sent.next()?, sent.next());
        RequestId::new(first.to_str().ok()?).filter(|_| second.is_none())
    }

    /// Returns the text, shared.
    pub fn shared(&self) -> Arc<str> {
        self.0.clone()
    }

    /// Returns the id as the value of a header.
    pub fn to_value(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).expect("an id has no character that a header may not have")
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
    fn only_ids_that_are_safe_in_a_log_are_accepted() {
        let long = "a".repeat(ID_BYTES_MAX + 1);
        for (text, is_accepted) in [
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
            assert_eq!(RequestId::new(text).is_some(), is_accepted, "{text:?}");
        }
    }

    #[test]
    fn two_ids_are_ignored() {
        let mut headers = HeaderMap::new();
        headers.append(RequestId::HEADER, HeaderValue::from_static("one"));
        assert_eq!(RequestId::from_headers(&headers).as_deref(), Some("one"));
        headers.append(RequestId::HEADER, HeaderValue::from_static("two"));
        assert_eq!(RequestId::from_headers(&headers), None);
    }
}
