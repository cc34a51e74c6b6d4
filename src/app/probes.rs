//! What load balancers and supervisors ask: is the process alive, and may it get requests?
use std::time::Duration;

use crate::{app::App, table::OwnPage};

/// # Health
impl App {
    /// Answers GET requests for this path with 200 and `{"alive":true}` as long as the process can answer.
    /// For a supervisor that restarts a process which does not. Default: not served.
    ///
    /// Everyone may ask. The answer comes before layers and hooks, while every worker and every thread is
    /// busy.
    ///
    /// ```
    /// use pixie_web::{App, OrAbort, Route};
    /// let app = App::new().route(Route::get("/").sync(|_| "Hello")).before(|_| None::<()>.or_abort(401));
    /// let client = app.health("/healthz").ready("/readyz").test()?;
    /// client.get("/").send().assert_status(401);
    /// client.get("/healthz").send().assert_status(200).assert_text(r#"{"alive":true}"#);
    /// client.get("/readyz").send().assert_status(200).assert_text(r#"{"pools":{},"ready":true,"reason":null}"#);
    /// # Ok::<(), pixie_web::Error>(())
    /// ```
    #[doc(alias("liveness", "healthcheck", "kubernetes"))]
    #[track_caller]
    pub fn health(mut self, path: &'static str) -> App {
        self.views.probes[0] = Some(OwnPage::new(path, "pixie::health"));
        self
    }

    /// Answers GET requests for this path with 200 if the app should get requests, otherwise with 503. The
    /// JSON says why, for each pool. For a load balancer that sends requests to apps which are ready.
    /// Default: not served.
    ///
    /// An app is not ready while a pool cannot start workers, and from the beginning of a stop: see
    /// [`App::ready_delay`]. A full queue does not count, because it also fills where the requests go
    /// instead. Everyone may ask, and sees the names of the pools.
    #[doc(alias("readiness", "healthcheck", "kubernetes"))]
    #[track_caller]
    pub fn ready(mut self, path: &'static str) -> App {
        self.views.probes[1] = Some(OwnPage::new(path, "pixie::ready"));
        self
    }

    /// Sets for how long a stopping app still accepts connections while [`App::ready`] says 503, so that load
    /// balancers stop sending requests before the listening sockets close. A second signal ends it. Default:
    /// 5 s with [`App::ready`], 0 without it and in development.
    ///
    /// Choose it longer than the balancer needs to notice: the time between two probes, times the failures
    /// that it waits for. The time comes before
    /// [`ServerConfig::shutdown_grace`](crate::ServerConfig::shutdown_grace), so give a supervisor the sum of
    /// both before it kills the process. An app that hands its sockets to its next version does not wait.
    /// Under `pixie dev` the time is 0.
    pub fn ready_delay(mut self, delay: Duration) -> App {
        self.settings.ready_delay = Some(delay);
        self
    }
}
