//! The host of a request, which shows whether the request comes from a page of this app.
//!
//! Invariant: a host in the request target takes precedence over the `Host` header, as RFC 9112, section
//! 3.2.2, requires. Otherwise a browser and pixie could mean different hosts.
use http::{HeaderMap, Uri, header};

/// Returns the requested host, with its port if the request names one.
pub(crate) fn asked<'r>(target: &'r Uri, headers: &'r HeaderMap) -> Option<&'r str> {
    let of_target = target.authority().map(|authority| authority.as_str());
    of_target.or_else(|| headers.get(header::HOST)?.to_str().ok())
}

/// Returns the name or address of a host, without port and brackets.
pub(crate) fn name(host: &str) -> &str {
    let end = host.rfind(':').filter(|at| !host[*at..].contains(']')).unwrap_or(host.len());
    host[..end].trim_matches(['[', ']'])
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_target_says_which_host_is_asked_and_then_the_header() {
        for (target, header, expected) in [
            ("/", Some("a.example:80"), Some("a.example:80")),
            ("http://b.example/", Some("a.example"), Some("b.example")),
            ("http://b.example:8000/", None, Some("b.example:8000")),
            ("/", None, None),
        ] {
            let headers = header.map(|host| (header::HOST, HeaderValue::from_static(host))).into_iter().collect();
            let target = target.parse().expect("it is a target");
            assert_eq!(asked(&target, &headers), expected, "{target} {header:?}");
        }
    }

    #[test]
    fn a_name_has_neither_port_nor_brackets() {
        for (host, expected) in
            [("a.example", "a.example"), ("a.example:1", "a.example"), ("[::1]:80", "::1"), ("[::1]", "::1"), ("", "")]
        {
            assert_eq!(name(host), expected);
        }
    }
}
