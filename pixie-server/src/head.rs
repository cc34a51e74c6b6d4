//! The checks of a request's head that hyper leaves to its user: target, `Host`, `Transfer-Encoding` and
//! `Expect`.
//!
//! Without them a proxy and this server may see different hosts or bodies, or a client waits for ever.
//! Invariant: a request that passes has one host, and its `Host` header is the host of its target.

use std::net::Ipv6Addr;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Version,
    header::{COOKIE, EXPECT, HOST, TRANSFER_ENCODING},
    uri::Authority,
};
use http_body::Body;

use crate::{Config, refusal::Refusal};

/// What a head may contain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadLimits {
    pub(crate) uri_bytes_max: usize,
    headers_max: usize,
    bytes_max: usize,
}

impl HeadLimits {
    pub(crate) fn new(config: &Config) -> HeadLimits {
        let Config { uri_bytes_max, headers_max, head_bytes_max, .. } = *config;
        HeadLimits { uri_bytes_max, headers_max, bytes_max: head_bytes_max }
    }
}

/// Checks a head. The host of the target replaces the `Host` header (RFC 9112, section 3.2.2). Inlined, which
/// saves some copies.
#[inline(always)]
pub(crate) fn check<B: Body>(request: &mut Request<B>, limits: &HeadLimits) -> Result<(), Refusal> {
    let is_streamed = request.version() >= Version::HTTP_2;
    let authority_bytes = request.uri().authority().map_or(0, |authority| authority.as_str().len());
    let path_bytes = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    // In HTTP/2 and HTTP/3 every request has an authority, in place of a `Host` header.
    if path_bytes + if is_streamed { 0 } else { authority_bytes } > limits.uri_bytes_max {
        return Err(Refusal::URI);
    }
    if request.headers().len() > limits.headers_max {
        return Err(Refusal::HEADERS);
    }
    if is_streamed {
        check_streamed(request, path_bytes + authority_bytes, limits)?;
    }
    if !is_target(request) {
        return Err(Refusal::TARGET);
    }
    if !names_its_host(request) {
        return Err(Refusal::HOST);
    }
    // Only these requests have a transfer coding or let the client wait for an interim response.
    if !request.body().is_end_stream() {
        check_codings(request.headers())?;
        check_expectations(request.version(), request.headers())?;
    }
    if let Some(host) = request.uri().authority().and_then(|host| HeaderValue::try_from(host.as_str()).ok()) {
        request.headers_mut().insert(HOST, host);
    }
    Ok(())
}

/// Checks what is different in HTTP/2 and HTTP/3, and joins the `Cookie` headers (RFC 9113, section 8.2.3).
fn check_streamed<B>(request: &mut Request<B>, target_bytes: usize, limits: &HeadLimits) -> Result<(), Refusal> {
    // RFC 9113, section 6.5.2.
    let bytes = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 32;
    if target_bytes + request.headers().iter().map(bytes).sum::<usize>() > limits.bytes_max {
        return Err(Refusal::HEADERS);
    }
    // Section 8.3.1: a `Host` that names another host than the target.
    let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    if let (Some(authority), Some(host)) = (authority, request.headers().get(HOST))
        && !host.as_bytes().eq_ignore_ascii_case(authority)
    {
        return Err(Refusal::HOST);
    }
    let cookies: Vec<&[u8]> = request.headers().get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&cookies.join(b"; ".as_slice()))
    {
        request.headers_mut().insert(COOKIE, joined);
    }
    Ok(())
}

/// Returns whether the target has a form that the method allows, and a valid host if it names one (RFC 9112,
/// section 3.2). An authority alone is for CONNECT and then has a port, and `*` is for OPTIONS. In HTTP/2, h2
/// lets CONNECT with a path pass only if it asks for another protocol (RFC 8441).
fn is_target<B>(request: &Request<B>) -> bool {
    let (method, target) = (request.method(), request.uri());
    let has_host = |authority: &Authority| !authority.host().is_empty() && is_host(authority.as_str().as_bytes());
    match (target.authority(), target.scheme()) {
        (Some(authority), None) => *method == Method::CONNECT && has_host(authority) && authority.port().is_some(),
        (authority, _) => {
            let may_connect = request.version() == Version::HTTP_2;
            let is_suited =
                (*method != Method::CONNECT || may_connect) && (target.path() != "*" || *method == Method::OPTIONS);
            is_suited && authority.is_none_or(has_host)
        }
    }
}

/// Returns whether the request has exactly one valid `Host` header (RFC 9112, section 3.2). HTTP/1.0 does not
/// need one.
fn names_its_host<B>(request: &Request<B>) -> bool {
    // Faster than a search, because most requests have few headers.
    let mut hosts = request.headers().iter().filter(|(name, _)| *name == HOST);
    match hosts.next() {
        Some((_, host)) => is_host(host.as_bytes()) && hosts.next().is_none(),
        None => match request.version() {
            Version::HTTP_11 => false,
            Version::HTTP_2 | Version::HTTP_3 => request.uri().authority().is_some(),
            _ => true,
        },
    }
}

/// Returns whether this is a host with or without a port (RFC 3986, sections 3.2.2 and 3.2.3). Empty text is
/// a valid `Host` of a target without a host.
fn is_host(text: &[u8]) -> bool {
    let end = match text {
        [] => return true,
        [b'[', rest @ ..] => ip_literal_end(rest).map_or(0, |end| end + 1),
        _ => name_end(text),
    };
    end > 0 && is_port(&text[end..])
}

/// Returns where the name or IPv4 address at the beginning of the text ends.
fn name_end(text: &[u8]) -> usize {
    let mut end = 0;
    loop {
        let rest = &text[end..];
        end += rest.iter().position(|byte| !IN_NAME[usize::from(*byte)]).unwrap_or(rest.len());
        match &text[end..] {
            [b'%', first, second, ..] if first.is_ascii_hexdigit() && second.is_ascii_hexdigit() => end += 3,
            _ => return end,
        }
    }
}

/// Returns where the text after an IPv6 address and its closing bracket begins.
fn ip_literal_end(text: &[u8]) -> Option<usize> {
    let end = text.iter().position(|byte| *byte == b']')?;
    let address = str::from_utf8(&text[..end]).ok()?;
    address.parse::<Ipv6Addr>().is_ok().then_some(end + 1)
}

/// The bytes of a registered name without percent-encoding (RFC 3986, section 3.2.2). A table, because every
/// request has a host.
const IN_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = matches!(
            byte as u8,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'!' | b'$' | b'&'..=b'.' | b';' | b'=' | b'_' | b'~'
        );
        byte += 1;
    }
    table
};

/// Returns whether this is empty, or a colon with a port. The port may be empty.
fn is_port(text: &[u8]) -> bool {
    let [b':', digits @ ..] = text else { return text.is_empty() };
    let add = |port: u32, digit: &u8| {
        let port = port * 10 + u32::from(digit.wrapping_sub(b'0'));
        (digit.is_ascii_digit() && port <= u32::from(u16::MAX)).then_some(port)
    };
    digits.iter().try_fold(0, add).is_some()
}

/// hyper decodes only chunked, and has checked that it is the last coding (RFC 9112, section 6.1).
fn check_codings(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut count = 0;
    for coding in members(headers, TRANSFER_ENCODING) {
        if !coding.eq_ignore_ascii_case(b"chunked") {
            return Err(Refusal::CODING);
        }
        count += 1;
    }
    if count > 1 { Err(Refusal::CHUNKED_TWICE) } else { Ok(()) }
}

/// hyper sends the interim response only for one `Expect: 100-continue`. For another expectation the client
/// would wait for ever (RFC 9110, section 10.1.1). HTTP/1.0 has no interim responses.
fn check_expectations(version: Version, headers: &HeaderMap) -> Result<(), Refusal> {
    let mut expected = members(headers, EXPECT);
    let is_known = expected.next().is_none_or(|first| first.eq_ignore_ascii_case(b"100-continue"));
    match version < Version::HTTP_11 || (is_known && expected.next().is_none()) {
        true => Ok(()),
        false => Err(Refusal::EXPECTATION),
    }
}

/// Returns the members of a list (RFC 9110, section 5.6.1), without the empty ones.
fn members(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    let members = headers.get_all(name).into_iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    members.map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_an_optional_port() {
        for host in [
            "",
            "a",
            "a:",
            "a:0",
            "a:80",
            "a:00080",
            "a:65535",
            "a_b.example",
            "xn--bcher-kva.example",
            "%C3%BC",
            "1.2.3.4:8",
            "256.1.1.1",
            "[::1]",
            "[::1]:80",
            "[::ffff:1.2.3.4]:",
            "a.b.",
            "!$&'()*+,;=",
        ] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in [
            ":",
            ":80",
            "a:b",
            "a:b:c",
            "h:abc",
            "a:80:80",
            "a:65536",
            "a:99999999999",
            "a:-1",
            "a:+1",
            "a:8 0",
            "a b",
            " ",
            "a/b",
            "u@a",
            "u:p@a:1",
            "a?b",
            "a#b",
            "a\\b",
            "a\"b",
            "<a>",
            "%",
            "%C3%B",
            "%zz",
            "::1",
            "[::1",
            "::1]",
            "[]",
            "[::1]80",
            "[::1]:x",
            "[a]",
            "[1.2.3.4]",
            "[fe80::1%25eth0]",
            "[v1.a]",
            "[::1]a:1",
            "a[::1]",
            "é",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }
}
