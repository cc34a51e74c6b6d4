//! Cross-site request forgery: refuses requests that a browser sends on behalf of another site, without
//! tokens.
//!
//! The algorithm is that of `CrossOriginProtection` in Go 1.25 (<https://words.filippo.io/csrf/>): browsers
//! send `Sec-Fetch-Site`, older ones `Origin`. tower-http's layer does the same for a whole service; here a
//! route can opt out. Invariant: safe methods pass, so a GET route must not change anything.
use std::collections::BTreeSet;

use http::{Method, StatusCode, Uri, header};
use pixie_core::{Error, HeaderMap, Request, Scheme};

use crate::{error::StartError, table::refusal::refuse_with};

/// What an origin must be, in messages.
pub(crate) const ORIGIN_RULE: &str = "in lower case, without a path";

/// The origins whose pages may send requests to this app.
pub(crate) struct TrustedOrigins {
    /// As browsers write them.
    named: BTreeSet<String>,
    /// Whether a page of every origin may send what a browser asks for before it sends it.
    any_may_ask: bool,
}

impl TrustedOrigins {
    /// Checks that these are origins. A browser would never send another text, so it would have no effect.
    pub(crate) fn checked(origins: Vec<String>, any_may_ask: bool) -> Result<TrustedOrigins, StartError> {
        match origins.iter().find(|origin| !is_origin(origin)) {
            Some(wrong) => Err(StartError::new(format!(
                "`App::trust_origin(\"{wrong}\")`: an origin is `https://host` or `https://host:port`, {ORIGIN_RULE}"
            ))),
            None => Ok(TrustedOrigins { named: origins.into_iter().collect(), any_may_ask }),
        }
    }

    /// Returns an error if a browser sent this request on behalf of another site.
    pub(crate) fn refusal(&self, request: &Request) -> Option<Error> {
        // Browsers send the user's cookies with a WebSocket to any site, and let the page use it.
        if !is_unsafe(request.method()) && !request.headers().contains_key(header::UPGRADE) {
            return None;
        }
        let text = |name: &str| text(request.headers(), name);
        let origin = text("origin");
        let refused = match text("sec-fetch-site") {
            // Without both headers the client is not a browser, so it cannot misuse a user's cookies.
            None => origin.is_some_and(|origin| !is_own(origin, request)),
            // `same-site` is refused too: another subdomain may belong to another person.
            Some(site) => !matches!(site, "same-origin" | "none"),
        };
        // Browsers ask before such a method, and send it with cookies only if the answer allows them.
        let was_asked = self.any_may_ask
            && matches!(*request.method(), Method::PUT | Method::PATCH | Method::DELETE)
            && !request.headers().contains_key(header::UPGRADE);
        let trusted = || was_asked || origin.is_some_and(|origin| self.named.contains(origin));
        (refused && !trusted() && !is_unforgeable(request.headers())).then(|| {
            let detail = "the browser sent this request on behalf of another site (cross-site request forgery)";
            let origin = origin.unwrap_or("https://shop.example");
            let trust = format!("to allow the pages of that site: `App::trust_origin(\"{origin}\")`");
            let open = "to allow every site on this route: `csrf = false`, or `.csrf(false)`";
            // Shown in development only.
            refuse_with(StatusCode::FORBIDDEN, detail).with_chain(vec![trust, open.to_owned()])
        })
    }
}

/// Returns whether a page of another site cannot have sent this request, unless the app has allowed it by CORS:
/// before such a request a browser asks (Fetch standard, sections 2.2.2 and 4.8).
///
/// A WebSocket is not asked for. A form has one of three other types. A browser repeats the password of
/// `Basic` and its relatives by itself, and only requests without cookies count as those of a program.
fn is_unforgeable(headers: &HeaderMap) -> bool {
    if headers.contains_key(header::UPGRADE) {
        return false;
    }
    let media = text(headers, "content-type").and_then(|media| media.split(';').next()).unwrap_or_default().trim();
    let subtype = media.get(.."application/".len()).filter(|class| class.eq_ignore_ascii_case("application/"));
    let subtype = subtype.map_or("", |class| &media[class.len()..]);
    let is_json = subtype.eq_ignore_ascii_case("json") || subtype.to_ascii_lowercase().ends_with("+json");
    let scheme = text(headers, "authorization").and_then(|value| value.split(' ').next());
    let by_browser = ["basic", "digest", "negotiate", "ntlm", "unreadable", "repeated"];
    let is_program = scheme.is_some_and(|scheme| !by_browser.iter().any(|name| name.eq_ignore_ascii_case(scheme)))
        && !headers.contains_key(header::COOKIE);
    is_json || is_program
}

/// Returns whether requests of this method are checked. TRACE does not change anything, but browsers do not
/// send it.
pub(crate) fn is_unsafe(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Returns a header as text. A header that is not text or occurs twice counts as sent by another site.
fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    let text = if values.next().is_none() { value.to_str().unwrap_or("unreadable") } else { "repeated" };
    Some(text).filter(|text| !text.is_empty())
}

/// Compares hosts. Plain HTTP may be a proxy with TLS that is not trusted, so then the scheme of the client
/// is unknown. A client with TLS sends `https`.
fn is_own(origin: &str, request: &Request) -> bool {
    let Ok(origin) = origin.parse::<Uri>() else { return false };
    let host = request.host();
    let is_web = match origin.scheme_str() {
        Some("https") => true,
        Some("http") => request.scheme() == Scheme::Http,
        _ => false,
    };
    let (Some(authority), Some(host)) = (origin.authority(), host) else { return false };
    // Browsers leave the default port out, and some proxies add theirs.
    let default = |port: &&str| matches!(*port, "" | "80" | "443");
    let plain = host.rsplit_once(':').filter(|(_, port)| authority.port().is_none() && default(port));
    is_web && authority.as_str().eq_ignore_ascii_case(plain.map_or(host, |(name, _)| name))
}

/// Returns whether this is an origin as browsers write it.
pub(crate) fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_plain =
        |host: &str| !host.contains(['/', '?', '#', '@']) && !host.contains(|c: char| c.is_ascii_uppercase());
    host.is_some_and(is_plain) && text.is_ascii() && text.parse::<Uri>().is_ok_and(|uri| uri.host().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_occurs_twice_is_not_one_of_the_own_site() {
        let mut request = http::Request::get("/").body(()).expect("it is a request");
        assert_eq!(text(request.headers(), "origin"), None);
        request.headers_mut().append("origin", "https://here.example".parse().expect("it is a value"));
        assert_eq!(text(request.headers(), "origin"), Some("https://here.example"));
        request.headers_mut().append("origin", "https://evil.example".parse().expect("it is a value"));
        assert_eq!(text(request.headers(), "origin"), Some("repeated"));
    }
}
