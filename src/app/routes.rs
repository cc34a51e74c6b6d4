//! The routes and the state of an app, and the registry: the routes that attributes define, collected when
//! the program is linked.
use std::any::TypeId;

use pixie_core::{Route, RouteLayer, RouteType};

use crate::{
    app::{App, group::Group},
    files::Folder,
};

/// Stands for the package of routes that were added with `App::route`: they are not checked.
pub(crate) const BY_HAND: &str = "";

/// A route as the attribute registers it. Only the macro makes it.
#[derive(Clone, Copy, Debug)]
pub struct Registered {
    /// The package of the handler.
    pub package: &'static str,
    /// The version of the package.
    pub version: &'static str,
    /// The description of the package, or empty.
    pub description: &'static str,
    /// Makes the route.
    pub route: fn() -> Route,
}

inventory::collect!(Registered);

/// Returns all routes of the program, in no particular order.
pub(crate) fn registered() -> impl Iterator<Item = &'static Registered> {
    inventory::iter::<Registered>()
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
    #[doc(alias("discover", "router"))]
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

    /// Chooses the kind of the routes whose attributes name none: sync, thread or pool. Default: pool.
    ///
    /// An `async fn` stays async, and a route with a kind, a pool or `retry` stays as it is. A group can
    /// choose another kind with [`Group::default_kind`]. With a connection to a database, nearly every route
    /// is a thread route:
    ///
    /// ```standalone_crate
    /// use pixie_web::{App, RouteType, State, get};
    /// use std::sync::Mutex;
    ///
    /// #[get("/users")]                       // a thread route
    /// fn users(names: State<Mutex<Vec<&'static str>>>) -> String {
    ///     names.lock().unwrap().join(", ")
    /// }
    ///
    /// #[get("/thumbnail", pool)]             // still a pool route
    /// fn thumbnail() -> &'static str {
    ///     "made in a worker"
    /// }
    ///
    /// let app = App::collect().default_kind(RouteType::Thread).state(Mutex::new(vec!["Ada", "Grace"]));
    /// let client = app.test()?;
    /// client.get("/users").send().assert_text("Ada, Grace");
    /// client.get("/thumbnail").send().assert_text("made in a worker");
    /// # Ok::<(), pixie_web::Error>(())
    /// ```
    pub fn default_kind(mut self, kind: RouteType) -> App {
        self.level.kind = Some(kind);
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
    #[doc(alias("static files", "assets", "serve_dir"))]
    #[track_caller]
    pub fn folder(mut self, path: &str, folder: impl Into<Folder>) -> App {
        let routes = folder.into().routes(path);
        self.routes.extend(routes.into_iter().map(|route| (BY_HAND, route)));
        self
    }

    /// Adds a value that sync, thread and async routes read as `State<T>`. It exists only in the main
    /// process.
    #[doc(alias("database", "db", "dependency injection", "with_state", "shared state"))]
    pub fn state<T: Send + Sync + 'static>(mut self, value: T) -> App {
        self.state.insert(value);
        self
    }

    /// Makes a value in each worker, at the start of the worker. Pool and stream routes read it as
    /// `State<T>`.
    ///
    /// Each worker has its own value: a change in one worker is not visible in the others.
    #[doc(alias("database", "shared state", "initializer"))]
    pub fn worker_state<T: Send + Sync + 'static>(mut self, make: impl Fn() -> T + Send + Sync + 'static) -> App {
        self.worker_values.push((TypeId::of::<T>(), Box::new(move |map| map.insert(make()))));
        self
    }

    /// Wraps the whole app in a tower layer. The last layer added is the outermost. [`Group::layer`] wraps
    /// the routes below a path, and [`Route::layer`] one route.
    ///
    /// All layers of tower-http fit whose responses have a body of `Bytes`. The layer runs before the router,
    /// so it may change the path.
    #[doc(alias("middleware", "tower"))]
    pub fn layer(mut self, layer: impl RouteLayer) -> App {
        self.layers.push(Box::new(move |inner| layer.wrap(inner)));
        self
    }
}
