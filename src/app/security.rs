//! Which requests an app refuses, and what protects its responses and cookies.
use std::time::Duration;

use crate::{app::App, table::proxies::ProxyHeaders};

/// # Security
impl App {
    /// Allows pages of another origin, such as `https://shop.example`, to send requests of every method.
    #[doc(alias("csrf", "cors"))]
    pub fn trust_origin(mut self, origin: impl Into<String>) -> App {
        self.trusted_origins.push(origin.into());
        self
    }

    /// Sets whether requests that a browser sends on behalf of another site get 403. A route can override
    /// this with [`Route::csrf`](crate::Route::csrf). Default: yes.
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
    #[doc(alias("xsrf", "forgery"))]
    pub fn csrf(mut self, refused: bool) -> App {
        self.settings.csrf = refused;
        self
    }

    /// Sets whether all clients use HTTPS, for example through a proxy. Then all cookies of the app are
    /// `Secure`. Default: as each connection, or a proxy of [`App::behind_proxy`], says.
    ///
    /// The headers of other proxies do not decide this, because any client can send them.
    pub fn https(mut self, https: bool) -> App {
        self.settings.https = https;
        self
    }

    /// Names the proxies in front of the app: addresses, networks such as `10.0.0.0/8`, and `unix` for
    /// connections without an address, as over a Unix socket. `PIXIE_BEHIND_PROXY` overrides them, separated
    /// by commas. Default: none.
    ///
    /// What these proxies report in `Forwarded`, or in `X-Forwarded-For`, `-Proto` and `-Host`, is believed:
    /// [`Peer`](crate::Peer), [`Scheme`](crate::Scheme), [`Origin`](crate::Origin), the header `Host`, the
    /// check against forged requests, `Secure` cookies, and turns in the queues of pools use it, in every
    /// kind of route and in layers. Headers from other addresses are ignored. Of several proxies in a row,
    /// name all: the last address in the list that is not named is that of the client. The guide's page
    /// [`proxy`](crate::guide::proxy) shows how to set up nginx, HAProxy and Caddy.
    ///
    /// Connections are limited by their own address, not by that of the client: see
    /// [`ServerConfig::connections_per_client_max`](crate::ServerConfig::connections_per_client_max).
    ///
    /// ```
    /// use pixie_web::{App, Request, Route};
    ///
    /// let index = |request: &mut Request| format!("{:?} {}", request.peer().map(|peer| peer.ip()), request.scheme());
    /// let client = App::new().route(Route::get("/").sync(index)).behind_proxy(["10.0.0.0/8"]).test()?;
    /// let from = |address: [u8; 4]| {
    ///     let request = client.get("/").peer((address, 50_000));
    ///     request.header("x-forwarded-for", "192.0.2.1").header("x-forwarded-proto", "https").send().text()
    /// };
    /// assert_eq!(from([10, 0, 0, 1]), "Some(192.0.2.1) https");
    /// assert_eq!(from([198, 51, 100, 7]), "Some(198.51.100.7) http");
    /// # Ok::<(), pixie_web::Error>(())
    /// ```
    #[doc(alias("nginx", "reverse proxy", "trust proxy", "x-forwarded-for"))]
    pub fn behind_proxy<P: Into<String>>(mut self, proxies: impl IntoIterator<Item = P>) -> App {
        self.settings.behind_proxy = Some(proxies.into_iter().map(Into::into).collect());
        self
    }

    /// Chooses the headers that the proxies of [`App::behind_proxy`] set. Default: [`ProxyHeaders::Any`].
    ///
    /// Many proxies set one kind of header and pass on what a client sends of the other kind. Choose if a
    /// proxy cannot be told to remove the other kind.
    pub fn proxy_headers(mut self, headers: ProxyHeaders) -> App {
        self.settings.proxy_headers = headers;
        self
    }

    /// Sets how long a browser that has seen the app over HTTPS uses only HTTPS for it, also if a link says
    /// `http` (`Strict-Transport-Security`, RFC 6797). Default: one year. Zero tells browsers to forget it.
    ///
    /// Responses over plain HTTP do not get the header, and in development none does, because browsers would
    /// then refuse every other server on `localhost`. To include subdomains, set the header in an after hook.
    pub fn hsts(mut self, time: Duration) -> App {
        self.settings.hsts = time;
        self
    }

    /// Sets whether responses get security headers. Default: yes.
    ///
    /// All responses get `X-Content-Type-Options: nosniff`, and over HTTPS `Strict-Transport-Security` (see
    /// [`hsts`](App::hsts)). Pages of the type `text/html` also get
    /// `X-Frame-Options: SAMEORIGIN`, so that another site cannot show them in a frame and misuse clicks, and
    /// `Referrer-Policy: strict-origin-when-cross-origin`, so that other sites do not see their addresses. If
    /// a response has one of these headers already, the header stays. After hooks can remove them.
    #[doc(alias("helmet"))]
    pub fn security_headers(mut self, sent: bool) -> App {
        self.settings.security_headers = sent;
        self
    }

    /// Sets the secrets of signed and private cookies, each of at least 32 random bytes. `PIXIE_SECRET`
    /// overrides them; it can hold several, separated by commas.
    ///
    /// The first secret seals new cookies, and every secret opens existing ones. To change the secret, put
    /// the new one first, and remove the old one when its cookies have expired. All processes need the same
    /// secrets, so do not make random ones at the start.
    #[doc(alias("secret", "cookie"))]
    #[cfg(feature = "sealed-cookies")]
    pub fn keys<S: AsRef<[u8]>>(mut self, secrets: impl IntoIterator<Item = S>) -> App {
        self.secrets = secrets.into_iter().map(|secret| secret.as_ref().to_vec()).collect();
        self
    }
}
