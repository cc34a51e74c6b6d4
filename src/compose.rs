//! Composition: an `App` is checked once, at the start, and becomes the table that requests are answered from.
//!
//! Whatever is wrong with routes, pools or state is found here and named with its line of code; nothing is left for a
//! request to stumble over.
use std::{
    any::TypeId,
    collections::{BTreeMap, BTreeSet, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::Arc,
};

use http::StatusCode;
use pixie_core::{Error, Place, Result, Route, Router, StateMap};
use pixie_server::Shutdown;
use tokio::sync::Semaphore;

use crate::{
    app::{App, ErrorPage, LayerFn, WorkerState},
    jobs::PoolSlot,
    pools::Pools,
    settings::Settings,
    urls::Urls,
};

/// The package of routes that were added by hand: they need no leave.
pub(crate) const BY_HAND: &str = "";
/// The pool of routes that name none.
const DEFAULT_POOL: &str = "default";

/// A checked app: what a request needs, shared by all connections.
pub(crate) struct Composed {
    pub(crate) router: Router<Arc<Endpoint>>,
    pub(crate) endpoints: Vec<Arc<Endpoint>>,
    pub(crate) pools: BTreeMap<&'static str, Arc<PoolSlot>>,
    pub(crate) state: Arc<StateMap>,
    pub(crate) worker_state: Vec<WorkerState>,
    pub(crate) urls: Urls,
    pub(crate) error_pages: Vec<(StatusCode, ErrorPage)>,
    pub(crate) threads: Arc<Semaphore>,
    /// What a worker must agree on.
    pub(crate) table_hash: u64,
    pub(crate) shutdown: Shutdown,
    pub(crate) settings: Settings,
}

/// A route with the pool that runs it.
pub(crate) struct Endpoint {
    pub(crate) route: Route,
    pub(crate) body_bytes_max: usize,
    pub(crate) reads_state: bool,
    /// The name of the route, for the log and the pool's status.
    pub(crate) label: Arc<str>,
    /// Set for pool and stream routes.
    pub(crate) pool: Option<Arc<PoolSlot>>,
}

/// Checks an app and builds its table.
pub(crate) fn compose(app: App) -> Result<(Arc<Composed>, Vec<LayerFn>)> {
    let App { routes, packages, mut state, worker_state, error_pages, layers, mut settings, shutdown } = app;
    settings.override_by_environment()?;
    check_packages(&routes, &packages)?;
    let urls = Urls::of(routes.iter().map(|(_, route)| route));
    state.insert(urls.clone());
    state.insert(shutdown.clone());
    let pools = Pools::default();
    state.insert(pools.clone());
    check_states(&routes, &state, &worker_state)?;
    let table_hash = table_hash(&routes);
    let mut composed = Composed {
        router: Router::new(),
        endpoints: Vec::new(),
        pools: BTreeMap::new(),
        state: Arc::new(state),
        worker_state,
        urls,
        error_pages: checked_pages(error_pages)?,
        threads: Arc::new(Semaphore::new(settings.threads)),
        table_hash,
        shutdown,
        settings,
    };
    for (_, route) in routes {
        composed.add(route)?;
    }
    pools.set(composed.pools.values());
    Ok((Arc::new(composed), layers))
}

impl Composed {
    fn add(&mut self, route: Route) -> Result<()> {
        let Place { name, file, line } = route.place();
        let wrong = |error: &dyn std::fmt::Display| Error::internal(format!("route `{name}` ({file}:{line}): {error}"));
        let pattern = route.pattern().map_err(|error| wrong(error))?.clone();
        let (methods, place) = (route.methods().to_vec(), route.place());
        let pool = route.kind().is_pooled().then(|| {
            let name = route.pool_name().unwrap_or(DEFAULT_POOL);
            let slot = || Arc::new(PoolSlot::new(name, &self.settings, self.table_hash));
            self.pools.entry(name).or_insert_with(slot).clone()
        });
        let endpoint = Arc::new(Endpoint {
            body_bytes_max: route.body_bytes_max().unwrap_or(self.settings.body_bytes_max),
            reads_state: route.reads().states().next().is_some() || route.reads().header_names().is_none(),
            label: Arc::from(name),
            pool,
            route,
        });
        self.endpoints.push(endpoint.clone());
        self.router
            .insert(&pattern, &methods, endpoint, place)
            .map_err(|conflict| Error::internal(conflict.to_string()))
    }

    /// Makes the state of a worker, in the worker.
    pub(crate) fn make_worker_state(&self) -> StateMap {
        let mut map = StateMap::default();
        map.insert(self.urls.clone());
        self.worker_state.iter().for_each(|(_, put)| put(&mut map));
        map
    }
}

/// Refuses an app without routes, and routes of a package that the app did not name.
fn check_packages(routes: &[(&'static str, Route)], included: &BTreeSet<&'static str>) -> Result<()> {
    if routes.is_empty() {
        return Err(Error::internal(
            "the app has no routes: write `#[route(\"/\")]` above a function, or add one with `App::route`",
        ));
    }
    let found: BTreeSet<_> = routes.iter().map(|(package, _)| *package).filter(|name| *name != BY_HAND).collect();
    if let Some(missing) = included.difference(&found).next() {
        return Err(Error::internal(format!(
            "`App::include(\"{missing}\")`: no attribute of that package wrote a route"
        )));
    }
    if found.len() < 2 || found == *included {
        return Ok(());
    }
    let names: Vec<_> = found.iter().map(|name| format!("`{name}`")).collect();
    let calls: String = found.iter().map(|name| format!(".include(\"{name}\")")).collect();
    Err(Error::internal(format!(
        "routes come from {} packages, {}: name each one that may add pages, with `App::collect(){calls}`",
        found.len(),
        names.join(", ")
    )))
}

/// Refuses routes that ask for a state which their process does not have.
fn check_states(routes: &[(&'static str, Route)], main: &StateMap, workers: &[WorkerState]) -> Result<()> {
    let in_workers = |id: TypeId| id == TypeId::of::<Urls>() || workers.iter().any(|(made, _)| *made == id);
    for (_, route) in routes {
        let Place { name, file, line } = route.place();
        let pooled = route.kind().is_pooled();
        let has = |id| if pooled { in_workers(id) } else { main.contains(id) };
        let Some((id, state)) = route.reads().states().find(|(id, _)| !has(*id)) else { continue };
        let hint = match (pooled, main.contains(id), in_workers(id)) {
            (true, true, _) => {
                "`App::state` belongs to the main process, this route runs in a worker: make one there with `App::worker_state`"
            }
            (true, false, _) => "make it in each worker with `App::worker_state`",
            (false, _, true) => {
                "`App::worker_state` belongs to the workers, this route runs in the main process: put one there with `App::state`"
            }
            (false, _, false) => "put it in with `App::state`",
        };
        let kind = route.kind();
        return Err(Error::internal(format!(
            "the {kind} route `{name}` ({file}:{line}) reads `State<{state}>`, which nobody made: {hint}"
        )));
    }
    Ok(())
}

fn checked_pages(pages: Vec<(Option<StatusCode>, ErrorPage)>) -> Result<Vec<(StatusCode, ErrorPage)>> {
    let is_error = |status: &StatusCode| status.is_client_error() || status.is_server_error();
    let refused = || Error::internal("`App::error_page` takes an error status, from 400 to 599");
    pages
        .into_iter()
        .map(|(status, page)| status.filter(is_error).map(|status| (status, page)).ok_or_else(refused))
        .collect()
}

/// A number that a worker and its server agree on only if they were built from the same routes.
fn table_hash(routes: &[(&'static str, Route)]) -> u64 {
    let mut hasher = DefaultHasher::new();
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    let mut lines: Vec<_> = routes.iter().map(|(_, route)| describe(route)).collect();
    lines.sort_unstable();
    lines.hash(&mut hasher);
    hasher.finish()
}

fn describe(route: &Route) -> String {
    let Place { name, file, line } = route.place();
    format!("{:?} {} {} {name} {file}:{line}", route.methods(), route.path(), route.kind())
}
