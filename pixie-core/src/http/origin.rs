//! `Scheme` and `Origin`: how a client reaches the app, for links and redirects that name the host.
//!
//! The server decides the scheme, from its connection or from the headers of a trusted proxy. Invariant: what
//! a client writes into its request never decides it.
use std::fmt;

/// How a client reaches the app: with or without TLS.
///
/// Behind a proxy that `App::behind_proxy` trusts, this is the scheme between the client and the proxy.
/// Layers find it among the extensions of a request.
///
/// ```
/// use pixie_core::Scheme;
/// fn is_private(scheme: Scheme) -> &'static str {
///     match scheme {
///         Scheme::Https => "this connection is encrypted",
///         Scheme::Http => "use HTTPS",
///     }
/// }
/// assert_eq!(is_private(Scheme::Http), "use HTTPS");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain HTTP.
    #[default]
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// Returns `http` or `https`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The scheme and the host under which the client asks, such as `https://shop.example`. For absolute links,
/// in mails for example.
///
/// A client can write any host into its request, so send links with it only if a proxy or the app checks the
/// host.
///
/// ```
/// use pixie_core::{Origin, Scheme};
/// fn feed(origin: Origin) -> String {
///     format!("{origin}/feed.xml")
/// }
/// assert_eq!(feed(Origin { scheme: Scheme::Https, host: "shop.example".into() }), "https://shop.example/feed.xml");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// How the client reaches the app.
    pub scheme: Scheme,
    /// The host, with its port if the request names one.
    pub host: String,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)
    }
}
