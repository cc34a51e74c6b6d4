//! What is known of an app after its start, as plain data: requests and jobs read it, `app/compose.rs` builds
//! it.
//!
//! These values do not change while the app serves, apart from pools, which start with the first request that
//! needs one.
pub(crate) mod settings;
pub(crate) mod given;
pub(crate) mod hooks;
pub(crate) mod pools;
pub(crate) mod roles;
pub(crate) mod agent;
pub(crate) mod urls;
pub(crate) mod refusal;
pub(crate) mod csrf;
pub(crate) mod host;
pub(crate) mod forwarded;
pub(crate) mod proxies;
pub(crate) mod page_files;
pub(crate) mod probes;
pub(crate) mod request_ids;
pub(crate) mod timing;
pub(crate) mod traces;
pub(crate) mod access;
pub(crate) mod time_limit;
pub(crate) mod late;
pub(crate) mod lifecycle;
pub(crate) mod after_response;
pub(crate) mod spool;
pub(crate) mod store;
#[cfg(feature = "store")]
pub(crate) mod rates;
#[cfg(not(feature = "store"))]
#[path = "table/no_rates.rs"]
pub(crate) mod rates;
#[cfg(feature = "openapi")]
pub(crate) mod openapi;
/// Without the feature `openapi`, an app has no OpenAPI document.
#[cfg(not(feature = "openapi"))]
pub(crate) mod openapi {
    #[derive(Default)]
    pub(crate) struct Wanted;
}
pub(crate) mod backlog;
pub(crate) mod panics;
#[cfg(feature = "sessions")]
pub(crate) mod sessions;
#[cfg(not(feature = "sessions"))]
#[path = "table/no_sessions.rs"]
pub(crate) mod sessions;
pub(crate) mod meters;
#[cfg(feature = "metrics")]
pub(crate) mod meter;
/// Without the feature `metrics`, requests are not measured, at no cost.
#[cfg(not(feature = "metrics"))]
pub(crate) mod meter {
    use std::sync::Arc;
    pub(crate) struct RouteMeter;
    pub(crate) struct Measured;
    impl RouteMeter {
        pub(crate) fn new(_: Arc<str>) -> Arc<RouteMeter> {
            Arc::new(RouteMeter)
        }
        pub(crate) fn counts(&self) -> Option<super::meters::RouteCounts> {
            None
        }
    }
    impl Measured {
        pub(crate) fn begin() -> Measured {
            Measured
        }
        pub(crate) fn by(&mut self, _: &Arc<RouteMeter>) {}
        pub(crate) fn end(&mut self, _: http::StatusCode) {}
    }
}

use std::{
    any::TypeId,
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::HeaderValue;
use pixie_core::{
    BoxFuture, Error, Layered, Pattern, Place, Request, Response, Route, RoutePath, Router, StateMap, TraceContext,
    Writer,
};
use pixie_server::{Counters, Shutdown};
use tokio::sync::Semaphore;

use crate::table::{
    backlog::Backlogs,
    csrf::TrustedOrigins,
    given::Given,
    hooks::Chain,
    lifecycle::{Background, Lifecycle},
    meter::RouteMeter,
    pools::PoolSlot,
    probes::Probes,
    proxies::Proxies,
    request_ids::RequestIds,
    roles::Roles,
    sessions::SessionKeeper,
    settings::Settings,
    spool::Spool,
    urls::Urls,
};

/// The type of a value of each worker, and the function that puts the value into the worker's map.
pub(crate) type WorkerValue = (TypeId, Box<dyn Fn(&mut StateMap) + Send + Sync>);

pub(crate) type Call = Arc<dyn Fn(&mut Request) -> Response + Send + Sync>;
pub(crate) type AsyncCall = Arc<dyn Fn(Request) -> BoxFuture<Response> + Send + Sync>;
pub(crate) type StreamCall = Arc<dyn Fn(&mut Request, &mut Writer<'_>) -> Result<(), Error> + Send + Sync>;

/// A checked app: what all its connections share.
pub(crate) struct Composed {
    pub(crate) router: Router<Arc<Endpoint>>,
    pub(crate) endpoints: Vec<Arc<Endpoint>>,
    /// Takes the requests that have no route and are in no group.
    pub(crate) unrouted: Arc<Endpoint>,
    /// Take the requests that have no route but are in a group, from outer to inner group.
    pub(crate) unrouted_in_groups: Vec<(Pattern, Arc<Endpoint>)>,
    /// All pools of the app. This process starts those of its roles.
    pub(crate) pools: BTreeMap<&'static str, Arc<PoolSlot>>,
    pub(crate) roles: Roles,
    /// Whether a route, a hook of the framework or a session uses the store.
    pub(crate) uses_store: bool,
    pub(crate) state: Arc<StateMap>,
    pub(crate) worker_values: Vec<WorkerValue>,
    pub(crate) urls: Urls,
    pub(crate) trusted_origins: TrustedOrigins,
    /// Finds and saves sessions, if the app can have them.
    pub(crate) sessions: Option<SessionKeeper>,
    /// The proxies that are believed, if the app is behind one.
    pub(crate) proxies: Option<Proxies>,
    /// One permit for each handler of a thread route that may run.
    pub(crate) threads: Arc<Semaphore>,
    pub(crate) spool: Arc<Spool>,
    pub(crate) backlogs: Arc<Backlogs>,
    /// The store, in the main process.
    pub(crate) store: Option<store::Store>,
    /// A server and its workers are built from the same routes if this number is the same in both.
    pub(crate) table_hash: u64,
    /// What load balancers ask, if the app answers them.
    pub(crate) probes: Option<Probes>,
    /// The paths of the pages of pixie itself: health, ready, status, metrics.
    pub(crate) pages: [Option<&'static str>; 4],
    /// What the server of this process counts.
    pub(crate) counters: Counters,
    /// What the app has decided about its OpenAPI document.
    #[cfg_attr(not(feature = "openapi"), expect(dead_code, reason = "only the feature reads it"))]
    pub(crate) openapi: openapi::Wanted,
    pub(crate) request_ids: RequestIds,
    /// The `Strict-Transport-Security` of responses over HTTPS. `None` in development, where browsers would
    /// then refuse every other server on `localhost`.
    pub(crate) hsts: Option<HeaderValue>,
    pub(crate) shutdown: Shutdown,
    /// What the app does at its start and stop, until it has started.
    pub(crate) lifecycle: Mutex<Lifecycle>,
    pub(crate) background: Background,
    pub(crate) settings: Settings,
    /// The settings as the code has made them, before files and the environment.
    pub(crate) code: Settings,
    pub(crate) given: Given,
}

/// A route, and what was computed from it and its app at the start.
pub(crate) struct Endpoint {
    pub(crate) route: Route,
    pub(crate) plan: Plan,
    pub(crate) intake: Intake,
    pub(crate) body_bytes_max: usize,
    /// The layers of the groups and of the route, around the hooks.
    pub(crate) layers: Option<Layered>,
    /// The hooks and error pages from the app to the route.
    pub(crate) chain: Chain,
    /// Whether the handler or a hook may read the app's state.
    pub(crate) reads_state: bool,
    /// Whether its requests have ids.
    pub(crate) has_ids: bool,
    /// Whether the handler may leave work for the time after the response.
    pub(crate) leaves_work: bool,
    /// Whether the handler or a hook may read the session.
    pub(crate) has_session: bool,
    /// Whether cross-site requests are refused.
    pub(crate) is_guarded: bool,
    /// The name of the route, for the log and the pool's status.
    pub(crate) label: Arc<str>,
    pub(crate) meter: Arc<RouteMeter>,
}

/// A page of pixie itself that the program asks for.
#[derive(Clone, Copy)]
pub(crate) struct OwnPage {
    pub(crate) path: &'static str,
    /// The line of the program that asks for it.
    pub(crate) place: Place,
}

impl OwnPage {
    /// Returns the page that the caller asks for.
    #[track_caller]
    pub(crate) fn new(path: &'static str, name: &'static str) -> OwnPage {
        OwnPage { path, place: Place::here(name) }
    }

    /// Begins the route of the page.
    pub(crate) fn route(self) -> RoutePath {
        Route::get(self.path).place(self.place)
    }
}

/// Where a handler runs, with what running it takes.
pub(crate) enum Plan {
    /// On the thread of the connection.
    Sync(Call),
    /// On a blocking thread.
    Thread { handler: Call, deadline: Option<Duration> },
    /// On the async runtime.
    Async { handler: AsyncCall, deadline: Option<Duration> },
    /// In a worker of this pool.
    Pooled { slot: Arc<PoolSlot>, work: Work },
    /// No route takes the request, so the router's answer is the response.
    Unrouted,
    /// The route has this role, which the process does not have. The endpoint has only the error pages of the
    /// route: no hook runs, and the body is not read.
    Elsewhere { role: &'static str },
}

/// What a worker does for a request.
pub(crate) enum Work {
    /// Runs a handler that returns a response.
    Respond(Call),
    /// Runs a handler that writes its response in pieces.
    Stream(StreamCall),
}

/// How a handler gets the body of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intake {
    /// It does not read the body.
    Unused,
    /// The whole body is read before the handler runs.
    Whole,
    /// As `Whole`; a multipart form is read into its parts.
    Form,
    /// The handler reads the body while it arrives.
    Arriving,
}

impl Composed {
    /// Returns the endpoint of a path that no route takes: that of the innermost group which contains the
    /// path.
    pub(crate) fn unrouted(&self, path: &str) -> &Arc<Endpoint> {
        let innermost = self.unrouted_in_groups.iter().rfind(|(prefix, _)| prefix.covers(path));
        innermost.map_or(&self.unrouted, |(_, endpoint)| endpoint)
    }

    /// Returns the context that the log lines of a request's handler show.
    pub(crate) fn trace(&self, request: &Request) -> Option<TraceContext> {
        self.settings.trace_contexts.then(|| TraceContext::from_headers(request.headers())).flatten()
    }

    /// Makes the state of a worker, in the worker.
    pub(crate) fn make_worker_state(&self) -> StateMap {
        let mut map = StateMap::default();
        map.insert(self.urls.clone());
        map.insert(self.settings.form_limits.clone());
        self.worker_values.iter().for_each(|(_, put)| put(&mut map));
        map
    }
}

impl Endpoint {
    /// Returns whether this process serves the route.
    pub(crate) fn is_here(&self) -> bool {
        !matches!(self.plan, Plan::Elsewhere { .. })
    }
}
