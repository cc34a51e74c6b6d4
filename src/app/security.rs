//! Which requests an app refuses, and what protects its responses and cookies.
use crate::app::App;

/// # Security
impl App {
    /// Allows pages of another origin, such as `https://shop.example`, to send requests of every method.
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
    pub fn csrf(mut self, refused: bool) -> App {
        self.settings.csrf = refused;
        self
    }

    /// Sets whether clients use HTTPS, for example through a proxy. Then all cookies of the app are `Secure`.
    /// Default: no.
    ///
    /// The headers of a proxy do not decide this, because any client can send them.
    pub fn https(mut self, https: bool) -> App {
        self.settings.https = https;
        self
    }

    /// Sets whether responses get security headers. Default: yes.
    ///
    /// All responses get `X-Content-Type-Options: nosniff`. Pages of the type `text/html` also get
    /// `X-Frame-Options: SAMEORIGIN`, so that another site cannot show them in a frame and misuse clicks, and
    /// `Referrer-Policy: strict-origin-when-cross-origin`, so that other sites do not see their addresses. If
    /// a response has one of these headers already, the header stays. After hooks can remove them.
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
    #[cfg(feature = "sealed-cookies")]
    pub fn keys<S: AsRef<[u8]>>(mut self, secrets: impl IntoIterator<Item = S>) -> App {
        self.secrets = secrets.into_iter().map(|secret| secret.as_ref().to_vec()).collect();
        self
    }
}
