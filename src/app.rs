//! `App`: the builder of an application. It gathers routes, state, layers and settings; `compose.rs` judges whether they
//! fit together, `run.rs` serves them.
pub(crate) mod compose;
pub(crate) mod group;
#[cfg(feature = "sealed-cookies")]
pub(crate) mod keys;
#[cfg(not(feature = "sealed-cookies"))]
#[path = "app/keys/absent.rs"]
pub(crate) mod keys;
mod operators;
pub(crate) mod registry;
mod status;

use std::{any::TypeId, collections::BTreeSet, path::PathBuf, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use pixie_core::{BoxError, ByteSize, Error, ErrorView, FormLimits, Response, Result, Route, StateMap};
use pixie_server::Shutdown;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    app::operators::Views,
    jobs::worker,
    request::service::{AppService, HttpRequest, Layered},
    run::log,
    table::{hooks::Level, meter, settings::Settings},
};

/// Puts one value into a worker's map; it runs once in each worker.
pub(crate) type WorkerState = (TypeId, Box<dyn Fn(&mut StateMap) + Send + Sync>);
/// Makes the answer of a failure in place of the built-in page.
pub(crate) type ErrorPage = Box<dyn Fn(&Error, &ErrorView<'_>) -> Response + Send + Sync>;
pub(crate) type LayerFn = Box<dyn FnOnce(Layered) -> Layered + Send + Sync>;

/// An application: its routes, its state, and how it is served.
///
/// ```no_run
/// use pixie_web::{App, Route};
/// fn main() -> pixie_web::Result<()> {
///     App::new().route(Route::get("/").sync(|_| "Hello")).port(8080).run()
/// }
/// ```
#[derive(Default)]
pub struct App {
    pub(crate) routes: Vec<(&'static str, Route)>,
    pub(crate) packages: BTreeSet<&'static str>,
    pub(crate) state: StateMap,
    pub(crate) worker_state: Vec<WorkerState>,
    /// What keys of cookies are derived from.
    pub(crate) secrets: Vec<Vec<u8>>,
    /// The hooks and error pages of the whole app.
    pub(crate) level: Level,
    pub(crate) groups: Vec<(String, Level)>,
    /// The pools that have numbers of their own.
    pub(crate) pools: Vec<pixie_pool::Config>,
    pub(crate) trusted_origins: Vec<String>,
    pub(crate) layers: Vec<LayerFn>,
    pub(crate) views: Views,
    pub(crate) settings: Settings,
    pub(crate) shutdown: Shutdown,
}

impl App {
    /// Returns an app without routes.
    pub fn new() -> App {
        App::default()
    }

    /// Returns an app with every route that an attribute in this program wrote.
    ///
    /// Where the routes come from more than one package, each must be named with [`App::include`]: a dependency does not
    /// add pages to your site behind your back.
    pub fn collect() -> App {
        let routes = registry::registered().map(|found| (found.package, (found.route)())).collect();
        App { routes, ..App::default() }
    }

    /// Accepts the routes that the attributes of a package wrote.
    pub fn include(mut self, package: &'static str) -> App {
        self.packages.insert(package);
        self
    }

    /// Adds a route written by hand.
    pub fn route(mut self, route: Route) -> App {
        self.routes.push((compose::BY_HAND, route));
        self
    }

    /// Puts in a value that sync, thread and async routes read as `State<T>`. It lives in the main process only.
    pub fn state<T: Send + Sync + 'static>(mut self, value: T) -> App {
        self.state.insert(value);
        self
    }

    /// Makes a value in each worker, when it starts, that pool and stream routes read as `State<T>`.
    ///
    /// Every worker has its own: what one changes, the others do not see.
    pub fn worker_state<T: Send + Sync + 'static>(mut self, make: impl Fn() -> T + Send + Sync + 'static) -> App {
        self.worker_state.push((TypeId::of::<T>(), Box::new(move |map| map.insert(make()))));
        self
    }

    /// Wraps the whole app in a tower layer; the last one added is the outermost.
    ///
    /// Any tower-http layer fits that answers with a body whose data are `Bytes`.
    pub fn layer<L, S, B>(mut self, layer: L) -> App
    where
        L: Layer<Layered, Service = S> + Send + Sync + 'static,
        S: Service<HttpRequest, Response = http::Response<B>, Error: Into<BoxError>, Future: Send + 'static>,
        S: Clone + Send + Sync + 'static,
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        self.layers.push(Box::new(move |inner| Layered::around(layer.layer(inner))));
        self
    }

    /// Replaces the page of one error status; one that fails or panics is logged, and the plain page is shown.
    pub fn error_page<F>(mut self, code: u16, page: F) -> App
    where
        F: Fn(&Error, &ErrorView<'_>) -> Response + Send + Sync + 'static,
    {
        // A number that is no status answers no request, so it replaces nothing: `compose` refuses it by name.
        self.level.pages.push((StatusCode::from_u16(code).ok(), Box::new(page)));
        self
    }

    /// Listens on this host name or address, unless `PIXIE_HOST` says otherwise. Default: `localhost`.
    pub fn host(mut self, host: impl Into<String>) -> App {
        self.settings.host = host.into();
        self
    }

    /// Listens on this port, unless `PIXIE_PORT` says otherwise. Default: 8000; 0 lets the system choose.
    pub fn port(mut self, port: u16) -> App {
        self.settings.port = port;
        self
    }

    /// Sets the number of worker processes of each pool that is not declared with [`App::pool`]; `PIXIE_WORKERS` sets that of every
    /// pool. Default: one per CPU.
    ///
    /// With 0 there are none: pool and stream routes run on threads of the main process, where nothing can be killed.
    pub fn workers(mut self, workers: usize) -> App {
        self.settings.workers = Some(workers);
        self
    }

    /// Declares a pool, for the routes that name it: its size, deadline, queue, limits. All its numbers are its own.
    ///
    /// Routes that name no pool run in the one called `default`. What the environment says in `PIXIE_POOL_IMAGES`, for a pool
    /// called `images`, overrides the program: `PIXIE_POOL_IMAGES="size=2..8 deadline=5s"`.
    ///
    /// ```no_run
    /// use pixie_web::{App, Pool};
    ///
    /// fn main() -> pixie_web::Result<()> {
    ///     let images = Pool::named("images").size(2..=8).memory("256MB").recycle_after(1000);
    ///     App::collect().pool(images).run()
    /// }
    /// ```
    pub fn pool(mut self, pool: pixie_pool::Config) -> App {
        self.pools.push(pool);
        self
    }

    /// Limits the memory of each worker of pools that are not declared with [`App::pool`], as [`PoolConfig::memory`](crate::PoolConfig::memory)
    /// does: beyond it an allocation fails and the worker aborts, or it is killed. Default: none.
    pub fn worker_memory(mut self, size: impl Into<ByteSize>) -> App {
        self.settings.worker_memory = Some(size.into());
        self
    }

    /// Sets the deadline of pool and stream routes that have none of their own and whose pool is not declared with [`App::pool`],
    /// and of async hooks. Default: 15 s.
    pub fn deadline(mut self, deadline: Duration) -> App {
        self.settings.deadline = deadline;
        self
    }

    /// Sets the time without an answer after which a request of a pool or stream route is reported in the log, once, with what its
    /// worker is doing; `None` reports none. A pool that is declared with [`App::pool`] has its own. Default: 5 s.
    pub fn slow_after(mut self, time: impl Into<Option<Duration>>) -> App {
        self.settings.slow_after = time.into();
        self
    }

    /// Limits the size of a request's body for routes that have no limit of their own: `"10MB"`, or a number of bytes.
    /// Default: 2 MiB.
    pub fn body_limit(mut self, size: impl Into<ByteSize>) -> App {
        self.settings.body_limit = size.into();
        self
    }

    /// Sets the server's time-outs and limits of connections and heads.
    pub fn server(mut self, config: pixie_server::Config) -> App {
        self.settings.server = config;
        self
    }

    /// Limits what a form may hold: fields, their length, files, and what of them stays in memory. It holds for extractors and
    /// for [`Request::form`](crate::Request::form) and [`Request::parts`](crate::Request::parts), in workers too.
    pub fn form_limits(mut self, limits: FormLimits) -> App {
        self.settings.form_limits = limits;
        self
    }

    /// Keeps large uploads in a folder within this one while they are handled. Default: the system's for temporary files.
    ///
    /// The folder is locked, so that systemd-tmpfiles leaves it alone. If something else removes it, it is made again; workers in a
    /// strict sandbox that run already cannot open what is in the new one, and fail with `PermissionDenied` until they are replaced.
    pub fn upload_dir(mut self, folder: impl Into<PathBuf>) -> App {
        self.settings.upload_dir = Some(folder.into());
        self
    }

    /// Says that clients reach the app over HTTPS, through a proxy for example: then every cookie it sets is `Secure`.
    ///
    /// What a proxy's headers say is not believed: anybody can send them.
    pub fn https(mut self, https: bool) -> App {
        self.settings.https = https;
        self
    }

    /// Sets how many handlers of thread routes run at once, each on a blocking thread; at least 1. Default: 256.
    pub fn threads(mut self, threads: usize) -> App {
        self.settings.threads = threads;
        self
    }

    /// Sets how long a request waits for a blocking thread or a worker before it is answered with 503. A pool that is declared with
    /// [`App::pool`] has its own time. Default: 10 s.
    pub fn queue_timeout(mut self, timeout: Duration) -> App {
        self.settings.queue_timeout = timeout;
        self
    }

    /// Says whether error pages show causes and places, unless `PIXIE_DEV` does. Default: in debug builds only.
    pub fn development(mut self, development: bool) -> App {
        self.settings.development = development;
        self
    }

    /// Says whether a GET answer whose body is whole gets an `ETag` of its bytes, so that it is not sent again to a client
    /// that has it. Default: no, since every body is hashed then; see also `Response::etag` and `Response::with_etag`.
    pub fn etags(mut self, etags: bool) -> App {
        self.settings.etags = etags;
        self
    }

    /// Says whether responses get the headers that make browsers careful. Default: yes.
    ///
    /// All get `X-Content-Type-Options: nosniff`. Pages of type `text/html` also get `X-Frame-Options: SAMEORIGIN`, so that no
    /// other site shows them in a frame and steals clicks, and `Referrer-Policy: strict-origin-when-cross-origin`, so that
    /// their addresses stay here. A response that sets one of them itself keeps its own, and an after hook may remove it.
    pub fn security_headers(mut self, sent: bool) -> App {
        self.settings.security_headers = sent;
        self
    }

    /// Says whether address, routes and pools are printed at the start. Default: yes.
    pub fn banner(mut self, banner: bool) -> App {
        self.settings.banner = banner;
        self
    }

    /// Returns the handle that stops the app; handlers of the main process have it as `State<Shutdown>`.
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// Returns the app as a `tower::Service`, to mount in axum, hyper or any other server.
    ///
    /// Its pools start with the first request that needs one. In a worker process this call does not return, so call it
    /// early in `main`.
    pub fn into_service(self) -> Result<AppService> {
        let (app, layers) = compose::compose(self)?;
        if let Some(worker) = pixie_pool::worker() {
            log::start_in_worker();
            worker::serve(worker, &app);
        }
        meter::install(&app)?;
        app.spool.sweep();
        Ok(AppService::layered(app, layers))
    }
}
