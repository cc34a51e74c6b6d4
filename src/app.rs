//! `App`: the builder of an application. It collects routes, state, layers and settings.
//!
//! `compose.rs` checks whether they fit together, `run.rs` serves them. The methods are grouped by purpose,
//! in this file and in those of the folder.
pub(crate) mod registry;
pub(crate) mod group;
mod serving;
mod limits;
mod pools;
mod security;
mod hooks;
mod operators;
#[cfg(feature = "sealed-cookies")]
mod keys;
/// Without the feature `sealed-cookies` there are no keys.
#[cfg(not(feature = "sealed-cookies"))]
mod keys {
    use crate::{error::StartError, table::WorkerValue};
    pub(crate) fn provide(
        _: Vec<Vec<u8>>,
        _: &mut pixie_core::StateMap,
        _: &mut Vec<WorkerValue>,
    ) -> Result<(), StartError> {
        Ok(())
    }
}
pub(crate) mod compose;

use std::{any::TypeId, collections::BTreeSet, fmt};

use bytes::Bytes;
use pixie_core::{BoxError, Route, StateMap};
use pixie_server::Shutdown;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    app::{
        group::Group,
        operators::Views,
        registry::{BY_HAND, registered},
    },
    files::Folder,
    request::service::{HttpRequest, LayerFn, Layered},
    table::{WorkerValue, hooks::Level, settings::Settings},
};

/// An application: its routes, its state, and how it is served.
///
/// ```no_run
/// use pixie_web::{App, Route};
///
/// fn main() -> pixie_web::Result<()> {
///     App::new().route(Route::get("/").sync(|_| "Hello")).port(8080).run()
/// }
/// ```
///
/// An app whose routes come from attributes starts with [`App::collect`]. Tests ask it without a socket:
///
/// ```standalone_crate
/// use pixie_web::{App, State, get};
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// #[get("/", sync)]
/// fn visits(count: State<AtomicUsize>) -> String {
///     format!("visit {}", count.fetch_add(1, Ordering::Relaxed) + 1)
/// }
///
/// let client = App::collect().state(AtomicUsize::new(0)).test()?;
/// client.get("/").send().assert_text("visit 1");
/// client.get("/").send().assert_text("visit 2");
/// # Ok::<(), pixie_web::Error>(())
/// ```
#[derive(Default)]
pub struct App {
    /// Each with the package that it comes from.
    pub(crate) routes: Vec<(&'static str, Route)>,
    pub(crate) packages: BTreeSet<&'static str>,
    pub(crate) state: StateMap,
    pub(crate) worker_values: Vec<WorkerValue>,
    /// The secrets of sealed cookies.
    pub(crate) secrets: Vec<Vec<u8>>,
    /// The hooks and error pages of the whole app.
    pub(crate) level: Level,
    pub(crate) groups: Vec<(String, Level)>,
    /// The declared pools.
    pub(crate) pools: Vec<pixie_pool::Config>,
    pub(crate) trusted_origins: Vec<String>,
    pub(crate) layers: Vec<LayerFn>,
    pub(crate) views: Views,
    pub(crate) settings: Settings,
    pub(crate) shutdown: Shutdown,
}

/// # Routes and state
impl App {
    /// Returns an app without routes.
    pub fn new() -> App {
        App::default()
    }

    /// Returns an app with all routes of the program that attributes define.
    ///
    /// If the routes come from more than one package, name each package with [`App::include`], so that a
    /// dependency cannot add pages to your site unnoticed.
    pub fn collect() -> App {
        let routes = registered().map(|found| (found.package, (found.route)())).collect();
        App { routes, ..App::default() }
    }

    /// Accepts the routes that attributes define in this package.
    pub fn include(mut self, package: &'static str) -> App {
        self.packages.insert(package);
        self
    }

    /// Adds a route.
    pub fn route(mut self, route: Route) -> App {
        self.routes.push((BY_HAND, route));
        self
    }

    /// Adds a group of routes, or hooks for the routes under a prefix.
    pub fn group(mut self, group: Group) -> App {
        group.add_to(&mut self);
        self
    }

    /// Mounts a folder: `GET /static/a/b.css` serves the file `a/b.css`. See [`files`](crate::files).
    ///
    /// The routes run on blocking threads. With an index file, the folder also serves the paths `/static` and
    /// `/static/`. To use your own handler at `/` beside a folder mounted at `/`, use
    /// [`Folder::without_index`].
    #[track_caller]
    pub fn folder(mut self, path: &str, folder: impl Into<Folder>) -> App {
        let routes = folder.into().routes(path);
        self.routes.extend(routes.into_iter().map(|route| (BY_HAND, route)));
        self
    }

    /// Adds a value that sync, thread and async routes read as `State<T>`. It exists only in the main
    /// process.
    pub fn state<T: Send + Sync + 'static>(mut self, value: T) -> App {
        self.state.insert(value);
        self
    }

    /// Makes a value in each worker, at the start of the worker. Pool and stream routes read it as
    /// `State<T>`.
    ///
    /// Each worker has its own value: a change in one worker is not visible in the others.
    pub fn worker_state<T: Send + Sync + 'static>(mut self, make: impl Fn() -> T + Send + Sync + 'static) -> App {
        self.worker_values.push((TypeId::of::<T>(), Box::new(move |map| map.insert(make()))));
        self
    }

    /// Wraps the whole app in a tower layer. The last layer added is the outermost.
    ///
    /// All layers of tower-http fit whose responses have a body of `Bytes`.
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
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes: Vec<_> = self.routes.iter().map(|(_, route)| route.path()).collect();
        f.debug_struct("App").field("routes", &routes).field("settings", &self.settings).finish_non_exhaustive()
    }
}
