//! Where sessions are kept and how long they live (feature `sessions`).
use std::time::Duration;

use crate::{app::App, table::settings::Sessions};

/// # Sessions
impl App {
    /// Sets where sessions are kept: in encrypted cookies, the default, or in the store. `PIXIE_SESSIONS`
    /// overrides it. The guide's page [`sessions`](crate::guide::sessions) compares them.
    #[doc(alias("login", "auth"))]
    pub fn sessions(mut self, kept: Sessions) -> App {
        self.settings.sessions = kept;
        self
    }

    /// Sets how long a session lives without a request, and in all. Default: one day and two weeks, counted
    /// from the first value or from the last [`Session::renew`](crate::Session::renew).
    pub fn session_times(mut self, idle: Duration, lifetime: Duration) -> App {
        self.settings.session_idle = idle;
        self.settings.session_lifetime = lifetime;
        self
    }

    /// Sets the name of the cookie of sessions. Default: `session`. Over HTTPS, the cookie is called
    /// `__Host-session`, so that no other host of the domain can set it.
    ///
    /// Browsers send cookies to all ports of a host: two apps on one host need two names.
    pub fn session_cookie(mut self, name: impl Into<String>) -> App {
        self.settings.session_cookie = name.into();
        self
    }
}
