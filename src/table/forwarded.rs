//! Reads the headers in which proxies report their client: `Forwarded` (RFC 7239) and `X-Forwarded-For`,
//! `-Proto` and `-Host`.
//!
//! Each proxy appends what it knows, so only the right end of a list is from a trusted proxy, and the left
//! end is from anyone. Lists are therefore read from the right, up to the first address that is not trusted
//! or cannot be read. Invariant: what is to the left of that place, even an open quote, does not change the
//! result.
use std::{
    iter,
    net::{IpAddr, SocketAddr},
};

use http::{HeaderMap, HeaderName, HeaderValue, header, uri::Authority};
use pixie_core::Scheme;

static FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// What proxies report about a request. A part that they do not report is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reported {
    /// The address of the client. The port is 0 if it is not reported.
    pub(crate) client: Option<SocketAddr>,
    pub(crate) scheme: Option<Scheme>,
    pub(crate) host: Option<Authority>,
}

impl Reported {
    /// Returns whether both mean the same. The headers of one kind have no ports.
    pub(crate) fn agrees(&self, other: &Reported) -> bool {
        let ip = |reported: &Reported| reported.client.map(|client| client.ip());
        ip(self) == ip(other) && self.scheme == other.scheme && self.host == other.host
    }
}

/// Reads `Forwarded`. Returns `None` if the request does not have it.
pub(crate) fn standard(headers: &HeaderMap, is_trusted: impl Fn(IpAddr) -> bool) -> Option<Reported> {
    headers.contains_key(header::FORWARDED).then(|| {
        let mut reported = Reported::default();
        for element in from_the_right(headers, &header::FORWARDED) {
            let Some(hop) = hop(element) else { break };
            reported.scheme = hop.scheme.or(reported.scheme);
            reported.host = hop.host.or(reported.host);
            // An obfuscated or unknown client: the proxy that hides it is the last one that is known.
            let Some(client) = hop.client else { break };
            reported.client = Some(client);
            if !is_trusted(client.ip()) {
                break;
            }
        }
        reported
    })
}

/// Reads the `X-Forwarded` headers. Returns `None` if the request does not have them.
pub(crate) fn customary(headers: &HeaderMap, is_trusted: impl Fn(IpAddr) -> bool) -> Option<Reported> {
    [&FOR, &PROTO, &HOST].into_iter().any(|name| headers.contains_key(name)).then(|| {
        let mut reported = Reported::default();
        let mut hops = 0;
        for client in from_the_right(headers, &FOR).map_while(|text| address(std::str::from_utf8(text).ok()?)) {
            reported.client = Some(client);
            hops += 1;
            if !is_trusted(client.ip()) {
                break;
            }
        }
        // A proxy may set the other two once instead of appending to them. Then the leftmost value is meant.
        let of_client = |name| from_the_right(headers, name).take(hops.max(1)).last();
        reported.scheme = of_client(&PROTO).and_then(scheme);
        reported.host = of_client(&HOST).and_then(host);
        reported
    })
}

/// Returns the elements of a list from right to left. Several lines are one list; empty elements do not
/// count.
fn from_the_right<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h [u8]> {
    headers.get_all(name).iter().rev().map(HeaderValue::as_bytes).flat_map(|line| {
        let mut rest = Some(line);
        iter::from_fn(move || {
            let (left, element) = split_last(rest?);
            rest = left;
            Some(element.trim_ascii())
        })
        .filter(|element| !element.is_empty())
    })
}

/// Splits a list before its last element. A comma in a quoted string does not separate elements. The end of a
/// well-formed string is found from the right because each quote inside of it follows a backslash.
fn split_last(list: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let mut is_quoted = false;
    for (at, byte) in list.iter().enumerate().rev() {
        match byte {
            b'"' => {
                let backslashes = list[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
                is_quoted ^= backslashes % 2 == 0;
            }
            b',' if !is_quoted => return (Some(&list[..at]), &list[at + 1..]),
            _ => {}
        }
    }
    (None, list)
}

/// Parses one element of `Forwarded`. Returns `None` if it is malformed.
fn hop(element: &[u8]) -> Option<Reported> {
    let mut hop = Reported::default();
    let mut seen = Vec::new();
    let mut rest = std::str::from_utf8(element).ok()?;
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let name = name.trim().to_ascii_lowercase();
        let (value, after) = value(after)?;
        match name.as_str() {
            "for" => hop.client = node(&value)?,
            "proto" => hop.scheme = scheme(value.as_bytes()),
            "host" => hop.host = host(value.as_bytes()),
            name if is_token(name) => {}
            _ => return None,
        }
        // Section 4: each parameter must not occur more than once.
        if seen.contains(&name) {
            return None;
        }
        seen.push(name);
        rest = match after.trim_start().split_at_checked(1) {
            None => "",
            Some((";", next)) => next.trim_start(),
            Some(_) => return None,
        };
    }
    Some(hop)
}

/// Returns a value, a token or a quoted string, and the text after it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ' ', '\t']).unwrap_or(text.len());
        // More than a token: many proxies do not quote the colons of addresses and hosts.
        let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '=');
        return (end > 0 && text[..end].chars().all(is_plain)).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut content = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((content, &quoted[at + 1..])),
            '\\' => content.push(characters.next()?.1),
            other => content.push(other),
        }
    }
    None
}

fn is_token(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_plain)
}

/// Parses a node (section 6). Returns `Some(None)` for an obfuscated or unknown client, and `None` for
/// garbage.
fn node(text: &str) -> Option<Option<SocketAddr>> {
    let name = text.split_once(':').map_or(text, |(name, _)| name);
    let is_hidden = name.eq_ignore_ascii_case("unknown") || name.strip_prefix('_').is_some_and(is_token);
    if is_hidden { Some(None) } else { address(text).map(Some) }
}

/// Parses an address, with or without a port. A port that is hidden (section 6.3) counts as 0.
fn address(text: &str) -> Option<SocketAddr> {
    let bare = |text: &str| text.parse().ok().map(|ip: IpAddr| SocketAddr::new(ip, 0));
    let bracketed = |text: &str| text.strip_prefix('[')?.strip_suffix(']').and_then(bare);
    let without_port = |text: &str| bare(text).or_else(|| bracketed(text));
    let hidden_port = || {
        let (ip, port) = text.rsplit_once(':')?;
        port.strip_prefix('_').is_some_and(is_token).then(|| without_port(ip)).flatten()
    };
    without_port(text).or_else(|| text.parse().ok()).or_else(hidden_port)
}

/// Some proxies report the scheme of a WebSocket.
fn scheme(text: &[u8]) -> Option<Scheme> {
    let is = |name: &str| text.eq_ignore_ascii_case(name.as_bytes());
    match () {
        () if is("https") || is("wss") => Some(Scheme::Https),
        () if is("http") || is("ws") => Some(Scheme::Http),
        () => None,
    }
}

fn host(text: &[u8]) -> Option<Authority> {
    Authority::try_from(text).ok().filter(|host| !host.host().is_empty() && !host.as_str().contains('@'))
}

#[cfg(test)]
mod tests;
