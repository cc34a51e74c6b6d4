//! Cross-site request forgery: requests that another site made a browser send are refused, without tokens.
//!
//! The algorithm is the one of Go 1.25's `CrossOriginProtection` (<https://words.filippo.io/csrf/>): browsers say in
//! `Sec-Fetch-Site`, older ones in `Origin`, who made them ask. tower-http's layer does the same for a whole service; here a
//! route can opt out. Must stay true: a safe method passes, so a GET route must not change anything.
use std::collections::BTreeSet;

use http::{Method, Uri};
use pixie_core::{Error, HeaderMap, Request, Result, abort};

use crate::{app::App, table::host};

/// The origins whose pages may send requests here, as browsers write them.
pub(crate) struct TrustedOrigins(BTreeSet<String>);

impl TrustedOrigins {
    /// Checks that these are origins: anything else would never be sent by a browser, and so trust nobody.
    pub(crate) fn checked(origins: Vec<String>) -> Result<TrustedOrigins> {
        match origins.iter().find(|origin| !is_origin(origin)) {
            Some(wrong) => Err(Error::internal(format!(
                "`App::trust_origin(\"{wrong}\")`: an origin is `https://host` or `https://host:port`, in lower case, without a path"
            ))),
            None => Ok(TrustedOrigins(origins.into_iter().collect())),
        }
    }

    /// Returns the refusal of a request that another site made a browser send.
    pub(crate) fn refusal(&self, request: &Request) -> Option<Error> {
        if !is_unsafe(request.method()) {
            return None;
        }
        let text = |name: &str| text(request.headers(), name);
        let origin = text("origin");
        let refused = match text("sec-fetch-site") {
            // Neither header: no browser, and then nobody's cookies are misused.
            None => origin.is_some_and(|origin| !is_own(origin, request)),
            // `same-site` is refused as well: another subdomain may belong to somebody else.
            Some(site) => !matches!(site, "same-origin" | "none"),
        };
        let trusted = || origin.is_some_and(|origin| self.0.contains(origin));
        (refused && !trusted()).then(|| {
            abort(403).with_place(None).with_detail(
                "the request came from a page of another site, which may not send forms here (cross-site request forgery)",
            )
        })
    }
}

/// Says whether requests of this method are checked. TRACE changes nothing, but no browser sends it either.
pub(crate) fn is_unsafe(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Returns a header's text; one that is none counts as sent, by somebody else.
fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("unreadable")).filter(|text| !text.is_empty())
}

/// Compares hosts only: behind a proxy that ends TLS, the scheme that the client used is not known here.
fn is_own(origin: &str, request: &Request) -> bool {
    let Ok(origin) = origin.parse::<Uri>() else { return false };
    let host = host::asked(request.uri(), request.headers());
    let is_web = matches!(origin.scheme_str(), Some("http" | "https"));
    is_web && host.is_some() && origin.authority().map(|authority| authority.as_str()) == host
}

fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_plain =
        |host: &str| !host.contains(['/', '?', '#', '@']) && !host.contains(|c: char| c.is_ascii_uppercase());
    host.is_some_and(is_plain) && text.is_ascii() && text.parse::<Uri>().is_ok_and(|uri| uri.host().is_some())
}

impl App {
    /// Lets the pages of another origin, such as `https://shop.example`, send requests of every method here.
    pub fn trust_origin(mut self, origin: impl Into<String>) -> App {
        self.trusted_origins.push(origin.into());
        self
    }

    /// Says whether requests that another site made a browser send are refused with 403; a route may say otherwise with
    /// [`Route::csrf`](crate::Route::csrf). Default: yes.
    ///
    /// ```
    /// # use pixie_web::{App, Route};
    /// let app = App::new()
    ///     .route(Route::post("/transfer").sync(|_| "done"))
    ///     .route(Route::post("/webhook").sync(|_| "thanks").csrf(false));
    /// let client = app.test()?;
    /// client.post("/transfer").header("sec-fetch-site", "cross-site").send().assert_status(403);
    /// client.post("/webhook").header("sec-fetch-site", "cross-site").send().assert_status(200);
    /// # Ok::<(), pixie_web::Error>(())
    /// ```
    pub fn csrf(mut self, refused: bool) -> App {
        self.settings.csrf = refused;
        self
    }
}
