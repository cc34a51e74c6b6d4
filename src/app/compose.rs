//! Composition: an `App` is checked once, at the start, and becomes the table that requests are answered from.
//!
//! Whatever is wrong with routes, pools or state is found then (`checks.rs`) and named with its line of code; nothing is left
//! for a request to stumble over.
mod checks;

use std::{
    collections::{BTreeMap, BTreeSet, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::Arc,
};

use http::{HeaderValue, header};
use pixie_core::{After, BodyUse, Error, Pattern, Place, Result, Route, Router, StateMap};
use pixie_pool::Config as PoolConfig;
use pixie_server::Shutdown;
use tokio::sync::Semaphore;

use crate::{
    app::{
        App, LayerFn, WorkerState,
        group::{self, Mounted},
        keys,
    },
    jobs::submit::PoolSlot,
    table::{
        csrf::{self, TrustedOrigins},
        hooks::{Chain, Level},
        meter::RouteMeter,
        pools::Pools,
        request_ids::RequestIds,
        settings::Settings,
        spool::Spool,
        time_limit,
        urls::Urls,
    },
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
    /// What requests outside of all groups pass.
    pub(crate) chain: Arc<Chain>,
    level: Arc<Level>,
    groups: Vec<Mounted>,
    pub(crate) trusted_origins: TrustedOrigins,
    pub(crate) threads: Arc<Semaphore>,
    /// Where large uploads are while they are handled.
    pub(crate) spool: Arc<Spool>,
    /// What a worker must agree on.
    pub(crate) table_hash: u64,
    pub(crate) request_ids: RequestIds,
    /// The metrics of requests without a route.
    pub(crate) meter: Arc<RouteMeter>,
    pub(crate) shutdown: Shutdown,
    pub(crate) settings: Settings,
}

/// A route with the pool that runs it.
pub(crate) struct Endpoint {
    pub(crate) route: Route,
    pub(crate) body_bytes_max: usize,
    pub(crate) reads_state: bool,
    /// Whether the handler looks at its clock.
    pub(crate) reads_time_limit: bool,
    /// Whether its requests have ids.
    pub(crate) has_ids: bool,
    /// Whether cross-site requests are refused.
    pub(crate) is_guarded: bool,
    /// The hooks and error pages from the app to the route.
    pub(crate) chain: Chain,
    /// The name of the route, for the log and the pool's status.
    pub(crate) label: Arc<str>,
    pub(crate) meter: Arc<RouteMeter>,
    /// Set for pool and stream routes.
    pub(crate) pool: Option<Arc<PoolSlot>>,
}

/// Checks an app and builds its table.
pub(crate) fn compose(app: App) -> Result<(Arc<Composed>, Vec<LayerFn>)> {
    let App {
        mut routes, packages, views, mut state, mut worker_state, secrets, layers, mut settings, shutdown, ..
    } = app;
    let (level, groups) = (Arc::new(app.level), group::mounted(app.groups)?);
    settings.override_by_environment()?;
    checks::packages(&routes, &packages)?;
    let pools = Pools::default();
    routes.extend(views.routes(&pools).map(|route| (BY_HAND, route)));
    let urls = Urls::of(routes.iter().map(|(_, route)| route));
    state.insert(urls.clone());
    state.insert(settings.form_limits.clone());
    state.insert(shutdown.clone());
    keys::provide(secrets, &mut state, &mut worker_state)?;
    state.insert(pools.clone());
    checks::states(&routes, &state, &worker_state)?;
    checks::extensions(&routes)?;
    checks::readers(&routes)?;
    checks::options(&routes)?;
    checks::pages(groups.iter().map(|group| &group.level).chain([&level]))?;
    checks::threads(settings.threads)?;
    checks::sizes(&settings)?;
    let declared = declared(app.pools, &routes)?;
    let table_hash = table_hash(&routes);
    let mut composed = Composed {
        router: Router::new(),
        endpoints: Vec::new(),
        pools: BTreeMap::new(),
        state: Arc::new(state),
        worker_state,
        urls,
        chain: Arc::new(Chain::new(vec![level.clone()])),
        level,
        groups,
        trusted_origins: TrustedOrigins::checked(app.trusted_origins)?,
        threads: Arc::new(Semaphore::new(settings.threads.min(Semaphore::MAX_PERMITS))),
        spool: Arc::new(Spool::new(settings.upload_dir.clone())),
        table_hash,
        request_ids: RequestIds::new(),
        meter: RouteMeter::new(Arc::from("")),
        shutdown,
        settings,
    };
    composed.make_pools(&routes, declared)?;
    for (_, route) in routes {
        composed.add(route)?;
    }
    pools.set(composed.pools.values());
    Ok((Arc::new(composed), layers))
}

impl Composed {
    /// Makes a slot for each pool that a route runs in.
    fn make_pools(&mut self, routes: &[(&str, Route)], mut declared: BTreeMap<String, PoolConfig>) -> Result<()> {
        for name in routes.iter().filter_map(|(_, route)| pool_of(route)) {
            if !self.pools.contains_key(name) {
                let slot = PoolSlot::new(name, declared.remove(name), &self.settings, self.table_hash);
                self.pools.insert(name, Arc::new(slot.map_err(Error::internal)?));
            }
        }
        Ok(())
    }

    fn add(&mut self, route: Route) -> Result<()> {
        let Place { name, file, line } = route.place();
        let wrong = |error: &dyn std::fmt::Display| Error::internal(format!("route `{name}` ({file}:{line}): {error}"));
        let pattern = route.pattern().map_err(|error| wrong(error))?.clone();
        let body_limit = route.options().body_limit.as_ref().unwrap_or(&self.settings.body_limit);
        let body_bytes_max = body_limit.bytes().map_err(|why| wrong(&format!("`body_limit`: {why}")))?;
        let (methods, place) = (route.methods().to_vec(), route.place());
        let pool = pool_of(&route).and_then(|name| self.pools.get(name)).cloned();
        let mut own = Level { hooks: route.hooks().clone(), ..Level::default() };
        own.hooks.after.splice(0..0, route.reads().after_hooks().iter().cloned());
        let value = route.options().cache_control.map(HeaderValue::from_str).transpose();
        let cached = value.map_err(|error| wrong(&format!("`cache_control`: {error}")))?.map(cached);
        let chain = self.chain_where([Some(own), cached].into_iter().flatten(), |prefix| pattern.is_under(prefix));
        let endpoint = Arc::new(Endpoint {
            is_guarded: route.options().csrf.unwrap_or(self.settings.csrf) && methods.iter().any(csrf::is_unsafe),
            body_bytes_max: usize::try_from(body_bytes_max).unwrap_or(usize::MAX),
            // Hooks may read the app's values whatever the handler does.
            reads_time_limit: time_limit::is_read(&route),
            reads_state: route.reads().states().next().is_some()
                || route.reads().body == BodyUse::Form
                || route.reads().header_names().is_none()
                || chain.has_before(),
            has_ids: self.settings.request_ids || route.kind().is_pooled() || route.reads().id,
            chain,
            meter: RouteMeter::new(Arc::from(name)),
            label: Arc::from(name),
            pool,
            route,
        });
        self.endpoints.push(endpoint.clone());
        self.router
            .insert(&pattern, &methods, endpoint, place)
            .map_err(|conflict| Error::internal(conflict.to_string()))
    }

    /// Returns the hooks and error pages of a path that no route takes.
    pub(crate) fn chain_at(&self, path: &str) -> Arc<Chain> {
        match self.groups.is_empty() {
            true => self.chain.clone(),
            false => Arc::new(self.chain_where(None, |prefix| prefix.covers(path))),
        }
    }

    fn chain_where(&self, own: impl IntoIterator<Item = Level>, is_in: impl Fn(&Pattern) -> bool) -> Chain {
        let groups = self.groups.iter().filter(|group| is_in(&group.prefix)).map(|group| group.level.clone());
        Chain::new([self.level.clone()].into_iter().chain(groups).chain(own.into_iter().map(Arc::new)).collect())
    }

    /// Makes the state of a worker, in the worker.
    pub(crate) fn make_worker_state(&self) -> StateMap {
        let mut map = StateMap::default();
        map.insert(self.urls.clone());
        map.insert(self.settings.form_limits.clone());
        self.worker_state.iter().for_each(|(_, put)| put(&mut map));
        map
    }
}

/// Returns the level that sets the `Cache-Control` header. It is the innermost level, so that responses of before hooks, such
/// as a redirect to a login page, do not get the header.
fn cached(value: HeaderValue) -> Level {
    let mut level = Level::default();
    level.hooks.after.push(After::new(move |_, response| {
        if response.status().is_success() || response.status().is_redirection() {
            response.headers_mut().entry(header::CACHE_CONTROL).or_insert_with(|| value.clone());
        }
    }));
    level
}

/// The pool that a route runs in.
fn pool_of(route: &Route) -> Option<&'static str> {
    route.kind().is_pooled().then(|| route.options().pool.unwrap_or(DEFAULT_POOL))
}

/// The pools that the program declares, by name; refuses one that is declared twice or that no route runs in.
fn declared(pools: Vec<PoolConfig>, routes: &[(&str, Route)]) -> Result<BTreeMap<String, PoolConfig>> {
    let used: BTreeSet<_> = routes.iter().filter_map(|(_, route)| pool_of(route)).collect();
    let mut declared = BTreeMap::new();
    for pool in pools {
        let name = pool.name.clone();
        if !used.contains(name.as_str()) {
            let used = used.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let used = if used.is_empty() { "no route runs in a pool".into() } else { format!("routes run in {used}") };
            let fix = format!("write `pool = \"{name}\"` at a route, or remove the declaration");
            return Err(Error::internal(format!("`App::pool` declares `{name}`, but {used}: {fix}")));
        }
        if declared.insert(name.clone(), pool).is_some() {
            return Err(Error::internal(format!("`App::pool` declares `{name}` twice: keep one of them")));
        }
    }
    Ok(declared)
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
