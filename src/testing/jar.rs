//! `Jar`: the cookies of a test client, kept and sent back by the rules of RFC 6265, section 5.
use cookie::{Cookie, Expiration, time::OffsetDateTime};
use http::{HeaderMap, HeaderValue, Request, header};

use crate::table::host;

/// The cookies that an app has set. Those with longer paths come first (section 5.4).
#[derive(Debug, Default)]
pub(super) struct Jar(Vec<Stored>);

#[derive(Debug)]
struct Stored {
    cookie: Cookie<'static>,
    host: String,
    /// Whether the cookie is also for hosts below this one.
    is_for_subdomains: bool,
    path: String,
}

/// Where a request goes, as far as cookies depend on it.
pub(super) struct Origin {
    host: String,
    path: String,
    is_secure: bool,
}

impl Origin {
    /// Reads the origin of a request to an app that is served over HTTPS or not.
    pub(super) fn of<B>(request: &Request<B>, is_https: bool) -> Origin {
        let host = host::name(host::asked(request.uri(), request.headers()).unwrap_or("localhost"));
        Origin {
            host: host.to_ascii_lowercase(),
            path: request.uri().path().to_owned(),
            is_secure: request.uri().scheme_str().map_or(is_https, |scheme| scheme == "https"),
        }
    }

    /// Returns the path of a cookie without a valid `Path` (section 5.1.4): the folder of the request.
    fn folder(&self) -> &str {
        match self.path.rfind('/') {
            Some(end @ 1..) => &self.path[..end],
            _ => "/",
        }
    }
}

impl Jar {
    /// Stores the cookies of a response, and removes those that the response deletes.
    pub(super) fn keep(&mut self, origin: &Origin, response: &HeaderMap) {
        let texts = response.get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
        for cookie in texts.filter_map(|text| Cookie::parse_encoded(text.to_owned()).ok()) {
            let path = cookie.path().filter(|path| path.starts_with('/')).unwrap_or(origin.folder()).to_owned();
            let domain = cookie.domain().map(|domain| domain.trim_start_matches('.').to_ascii_lowercase());
            let domain = domain.filter(|domain| !domain.is_empty());
            let is_for_subdomains = domain.is_some();
            let host = domain.unwrap_or_else(|| origin.host.clone());
            let stored = Stored { cookie, host, is_for_subdomains, path };
            // A host may set cookies only for itself and the domains above it.
            if !stored.is_for_host(&origin.host) {
                continue;
            }
            self.0.retain(|known| !known.is_same(&stored));
            if !stored.is_over() {
                let at = self.0.partition_point(|known| known.path.len() >= stored.path.len());
                self.0.insert(at, stored);
            }
        }
    }

    /// Returns the `Cookie` header of a request.
    pub(super) fn header(&self, origin: &Origin) -> Option<HeaderValue> {
        let sent = self.0.iter().filter(|stored| stored.is_sent_to(origin));
        let pairs: Vec<_> = sent.map(|stored| stored.cookie.encoded().stripped().to_string()).collect();
        (!pairs.is_empty()).then(|| HeaderValue::try_from(pairs.join("; ")).ok()).flatten()
    }

    /// Returns the value of a cookie.
    pub(super) fn value(&self, name: &str) -> Option<String> {
        let mut named = self.0.iter().filter(|stored| stored.cookie.name() == name);
        named.next().map(|stored| stored.cookie.value().to_owned())
    }
}

impl Stored {
    fn is_same(&self, other: &Stored) -> bool {
        self.cookie.name() == other.cookie.name() && self.host == other.host && self.path == other.path
    }

    /// `Max-Age` takes precedence over `Expires`.
    fn is_over(&self) -> bool {
        match (self.cookie.max_age(), self.cookie.expires()) {
            (Some(age), _) => !age.is_positive(),
            (None, Some(Expiration::DateTime(end))) => end <= OffsetDateTime::now_utc(),
            (None, _) => false,
        }
    }

    fn is_for_host(&self, host: &str) -> bool {
        let is_below = || host.strip_suffix(&self.host).is_some_and(|name| name.ends_with('.'));
        let is_address = || host.parse::<std::net::IpAddr>().is_ok();
        self.host == host || (self.is_for_subdomains && is_below() && !is_address())
    }

    fn is_sent_to(&self, origin: &Origin) -> bool {
        let rest = origin.path.strip_prefix(&self.path);
        let is_for_path = rest.is_some_and(|rest| self.path.ends_with('/') || rest.is_empty() || rest.starts_with('/'));
        let is_secure = self.cookie.secure() == Some(true);
        is_for_path && self.is_for_host(&origin.host) && (origin.is_secure || !is_secure) && !self.is_over()
    }
}
