//! `Cookies`: the cookies that a client sent (RFC 6265, section 5.4), and how the app writes a cookie.
//!
//! A malformed pair is skipped and is not an error. Names are not decoded: a decoded name could start with
//! `__Host-`, which browsers accept only from the site itself.
use cookie::{Cookie, Expiration, SameSite, time::OffsetDateTime};
use http::{HeaderMap, HeaderValue, header};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::form::part_head::is_token;

/// Characters that a value cannot contain (RFC 6265, section 4.1.1), and the percent sign, so that every
/// value can be decoded.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%').add(b',').add(b';').add(b'\\');

/// The cookies of a request, in the order in which the client sent them.
///
/// ```
/// use pixie_core::{Cookies, Response};
/// fn theme(cookies: Cookies) -> Response {
///     let theme = cookies.get("theme").unwrap_or("light");
///     Response::new(format!("the theme is {theme}")).cookies([("theme", "dark")])
/// }
/// assert_eq!(theme(Cookies::default()).body().as_bytes(), Some(&b"the theme is light"[..]));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Cookies(Vec<(String, String)>);

impl Cookies {
    /// Reads all `Cookie` headers. Values are percent-decoded if the result is UTF-8.
    pub fn from_headers(headers: &HeaderMap) -> Cookies {
        let mut cookies = Vec::new();
        for header in headers.get_all(header::COOKIE) {
            // Browsers do not encode text outside of ASCII.
            let header = String::from_utf8_lossy(header.as_bytes());
            cookies.extend(header.split(';').filter_map(pair));
        }
        Cookies(cookies)
    }

    /// Returns the value of the first cookie of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Returns all names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

fn pair(text: &str) -> Option<(String, String)> {
    let trim = |text: &'_ str| -> String { text.trim_matches([' ', '\t']).to_owned() };
    let (name, value) = text.split_once('=')?;
    let value = trim(value);
    let decoded = percent_decode_str(&value).decode_utf8().ok().map(|decoded| decoded.into_owned());
    Some((trim(name), decoded.unwrap_or(value)))
}

/// Returns the value of a `Set-Cookie` header, with safe defaults, or `None` if the cookie cannot be sent.
pub(crate) fn set_cookie(mut cookie: Cookie<'_>) -> Option<HeaderValue> {
    cookie.set_http_only(cookie.http_only().unwrap_or(true));
    cookie.set_same_site(cookie.same_site().unwrap_or(SameSite::Lax));
    let is_host = has_prefix(&cookie, "__Host-");
    if cookie.path().is_none() {
        cookie.set_path("/");
    }
    // Browsers reject these without `Secure`: RFC 6265bis, section 4.1.3, and the same for `SameSite=None`.
    if is_host || has_prefix(&cookie, "__Secure-") || cookie.same_site() == Some(SameSite::None) {
        cookie.set_secure(true);
    }
    let is_of_host = cookie.domain().is_none() && cookie.path() == Some("/");
    let fits = |attribute: Option<&str>| {
        !attribute.unwrap_or_default().contains(|char: char| char == ';' || char.is_control())
    };
    if !is_token(cookie.name()) || !fits(cookie.path()) || !fits(cookie.domain()) || (is_host && !is_of_host) {
        return None;
    }
    let value = utf8_percent_encode(cookie.value(), ENCODED).to_string();
    cookie.set_value(value);
    HeaderValue::try_from(cookie.to_string()).ok()
}

/// Returns the cookie that makes a browser delete the one with this name, path and domain.
pub(crate) fn removal(mut cookie: Cookie<'_>) -> Cookie<'_> {
    cookie.set_value("");
    cookie.set_max_age(cookie::time::Duration::ZERO);
    cookie.set_expires(Expiration::from(OffsetDateTime::UNIX_EPOCH));
    cookie
}

/// Returns whether a name has a prefix. Browsers ignore the case of prefixes.
fn has_prefix(cookie: &Cookie<'_>, prefix: &str) -> bool {
    cookie.name().get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}
