//! An app on several machines: its roles, its replicas, and what a load balancer asks.
use crate::{
    app::App,
    table::{agent::AgentAddress, roles::RoleNames},
};

/// # Several machines
///
/// The guide's page [`replicas`](crate::guide::replicas) explains them.
impl App {
    /// Sets what this process serves: `"all"`, `"web"`, the name of a pool, or several of them with commas
    /// between them. `PIXIE_ROLE` overrides it, so that one program can run with a role on each host. Default:
    /// `"all"`.
    ///
    /// The role `web` has all routes that run in no pool, or in the pools `default` and `streams`. Every other
    /// pool is a role. A route of another role answers 421 (Misdirected Request) before hooks run or the body is
    /// read, and the pools of other roles are not started. Probes, status and metrics belong to every role;
    /// requests without a route belong to `web`. Layers see all requests.
    ///
    /// ```
    /// use pixie_web::{App, Route};
    ///
    /// let app = || {
    ///     App::new()
    ///         .route(Route::get("/").sync(|_| "Hello"))
    ///         .route(Route::get("/thumbnail").pool(|_| "small").pool("images"))
    /// };
    /// let web = app().role("web").test()?;
    /// web.get("/").send().assert_text("Hello");
    /// web.get("/thumbnail").send().assert_status(421);
    /// let images = app().role("images").test()?;
    /// images.get("/").send().assert_status(421);
    /// images.get("/thumbnail").send().assert_text("small");
    /// # Ok::<(), pixie_web::Error>(())
    /// ```
    #[doc(alias("cluster", "microservice"))]
    pub fn role(mut self, names: impl AsRef<str>) -> App {
        self.settings.role = RoleNames::new(names.as_ref());
        self
    }

    /// Sets how many processes of this role run, on all machines together. `PIXIE_REPLICAS` overrides it.
    /// Default: 1.
    ///
    /// With more than one, or if the process lacks a role of the app, the log has a warning at the start if
    /// something uses the store and the store is not shared.
    pub fn replicas(mut self, count: usize) -> App {
        self.settings.replicas = count;
        self
    }

    /// Answers the agent checks of load balancers at this address: `"0.0.0.0:9707"`, or `":9707"` for all
    /// addresses of the machine. `PIXIE_AGENT` overrides it. Default: not served.
    ///
    /// A TCP connection sends the name of a role and a line end (HAProxy: `agent-check agent-send "images\n"`)
    /// and gets one line: `up ready maxconn:6` with the number of jobs that the pool can run at this moment,
    /// `drain` while the app stops, or `down` with a reason if the pool cannot run jobs. Clients are not
    /// checked, so choose an address that only load balancers can reach. An app that
    /// [`into_service`](App::into_service) or [`test`](App::test) has made, or that runs under `pixie dev`, does
    /// not serve it. A stop takes longer by [`ready_delay`](App::ready_delay), as with [`App::ready`].
    pub fn agent(mut self, address: impl Into<String>) -> App {
        self.settings.agent = Some(AgentAddress::new(address));
        self
    }
}
