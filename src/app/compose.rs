//! Composition: checks an `App` once, at the start, and builds the table that requests are answered from.
//!
//! Mistakes in routes, pools or state are found here (`checks.rs`) and reported with their line of code, so
//! that no request meets them.
mod checks;
mod endpoints;
mod kinds;
mod pools;
mod sharing;

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use http::HeaderValue;
use pixie_core::{Layers, Pattern, Place, Route, Router};
use pixie_server::Counters;
use tokio::sync::Semaphore;

use crate::{
    app::{
        App,
        compose::endpoints::{Levels, Unrouted, elsewhere, endpoint},
        keys,
        routes::BY_HAND,
    },
    config,
    error::StartError,
    openapi,
    request::{service::LayerFn, timed},
    table::{
        Composed,
        backlog::Backlogs,
        csrf::TrustedOrigins,
        hooks::Chain,
        lifecycle::Background,
        meter::RouteMeter,
        meters::Meters,
        pools::Pools,
        probes::Probes,
        proxies::Proxies,
        rates::Rates,
        request_ids::RequestIds,
        roles::{self, Roles},
        sessions::SessionKeeper,
        settings::Settings,
        spool::Spool,
        store,
        urls::Urls,
    },
};

/// Checks an app and builds its table.
pub(crate) fn compose(app: App) -> Result<(Arc<Composed>, Vec<LayerFn>), StartError> {
    let App {
        mut routes,
        packages,
        views,
        mut state,
        mut worker_values,
        secrets,
        mut layers,
        mut settings,
        lifecycle,
        shutdown,
        mut level,
        groups,
        mut mistakes,
        ..
    } = app;
    let mut groups = checks::groups(groups, &mut mistakes);
    mistakes.extend(kinds::mistakes(&level, &groups));
    kinds::apply(&mut routes, &level, &groups);
    #[cfg_attr(not(feature = "cors"), expect(unused_mut, reason = "the feature adds origins"))]
    let (mut trusted_origins, mut any_may_ask) = (app.trusted_origins, false);
    #[cfg(feature = "cors")]
    if let Some((cors, place)) = app.cors {
        let (layer, origins) = cors.checked(place)?;
        layers.push(layer);
        any_may_ask = origins.is_none();
        trusted_origins.extend(origins.unwrap_or_default());
    }
    #[cfg_attr(not(feature = "openapi"), expect(unused_mut, reason = "the feature notes the package"))]
    let mut wanted = app.openapi;
    #[cfg(feature = "openapi")]
    {
        wanted.package = super::openapi::package(&routes, &packages);
    }
    let (code, has_keys) = (settings.clone(), !secrets.is_empty());
    let used = pools::used(routes.iter().map(|(_, route)| route));
    let mut given = config::read(&settings, &used)?;
    given.apply(&mut settings).map_err(StartError::new)?;
    let roles = roles(&settings, &used, given.origin(roles::KEY))?;
    mistakes.extend(checks::packages(&routes, &packages).err());
    let pools = Pools::default();
    let pages = views.paths();
    let probes = Probes::checked(views.probes, pools.clone(), shutdown.clone())?;
    let (counters, meters) = (Counters::default(), Meters::default());
    let views = views.routes(&pools, &counters, &meters, &roles).chain(probes.iter().flat_map(Probes::routes));
    let views = views.chain(openapi::routes(&wanted));
    let first_view = routes.len();
    routes.extend(views.map(|route| (BY_HAND, route)));
    let urls = Urls::of(routes.iter().map(|(_, route)| route));
    state.insert(urls.clone());
    state.insert(settings.form_limits.clone());
    state.insert(shutdown.clone());
    state.insert(pools.clone());
    let background = Background::new();
    state.insert(background.clone());
    lifecycle.check()?;
    let routes: Vec<_> = routes.into_iter().map(|(_, route)| route).collect();
    let store = match given.origin(store::KEY) {
        // A worker asks the main process.
        _ if pixie_pool::identity().pool.is_some() => None,
        None => app.store.or_else(store::default),
        Some(origin) => Some(store::open(&settings.store, origin)?),
    };
    store.iter().for_each(|store| state.insert(store::Store::clone(store)));
    let store_users =
        sharing::store_users(&routes, [&level].into_iter().chain(groups.iter().map(|(_, level)| level)), &settings);
    given.warnings.extend(sharing::warning(&roles, settings.replicas, store.as_ref(), &store_users));
    let rates = Rates::of(store.as_ref())?;
    rates.install(&mut level, "app")?;
    for (prefix, level) in &mut groups {
        rates.install(level, prefix.as_str().trim_end_matches('/'))?;
    }
    mistakes.extend(checks::idle_groups(&groups, &routes));
    let groups = groups.into_iter().map(|(prefix, level)| (prefix, Arc::new(level))).collect();
    let levels = Levels { app: Arc::new(level), groups };
    let reads_keys = |pool: String| keys::are_read(routes.iter().filter(|route| pools::is_in(route, &pool)));
    // If a worker has no keys, its server has checked the same routes.
    let is_whole = pixie_pool::identity().pool.is_none_or(reads_keys);
    if is_whole {
        keys::provide(
            secrets,
            given.secret.as_ref().map(|(secret, origin)| (secret.as_str(), origin.as_str())),
            &mut state,
            &mut worker_values,
        )?;
    }
    let sessions = SessionKeeper::of(&settings, &state, store.as_ref())?;
    if is_whole {
        // A worker gets sessions from the main process.
        let has_sessions = sessions.is_some() || pixie_pool::identity().pool.is_some();
        mistakes.extend(checks::states(&routes, &state, &worker_values, has_sessions));
    }
    let of_routes = [checks::extensions(&routes), checks::readers(&routes), checks::options(&routes)];
    mistakes.extend(of_routes.into_iter().flatten());
    mistakes.extend(checks::pages(levels.all()).err());
    mistakes.extend(checks::settings(&settings).err());
    let table_hash = table_hash(&routes);
    let slots = pools::slots(app.pools, &routes, &settings, &given, table_hash);
    // The endpoints, which have further mistakes, need the pools.
    let slots = slots.map_err(|mistake| {
        mistakes.push(mistake);
        StartError::of_all(&mistakes)
    })?;
    // Its text is not needed from here on.
    let has_keys = given.secret.is_some() || has_keys;
    given.secret =
        has_keys.then(|| (String::new(), given.secret.map_or_else(|| "code".to_owned(), |(_, origin)| origin)));
    // The sizes were checked above.
    let [each, together] =
        [&settings.response_backlog, &settings.response_backlog_total].map(|max| max.bytes().unwrap_or(0));
    let backlogs = Backlogs::new(settings.upload_dir.clone(), each, together);
    let (mut router, mut endpoints) = (Router::new(), Vec::new());
    for (index, route) in routes.into_iter().enumerate() {
        let (methods, place, role) = (route.methods().to_vec(), route.place(), roles::of_route(&route));
        let (pattern, endpoint) = match endpoint(route, &levels, &slots, &settings, &rates, sessions.is_some()) {
            Ok(made) => made,
            Err(mistake) => {
                mistakes.push(mistake);
                continue;
            }
        };
        // Every process has the pages of pixie itself.
        let is_here = index >= first_view || roles.has(role);
        let endpoint = Arc::new(if is_here { endpoint } else { elsewhere(endpoint, role) });
        let added = router.insert(&pattern, &methods, endpoint.clone(), place);
        mistakes.extend(added.err().map(|conflict| StartError::at(place, conflict.to_string())));
        endpoints.push(endpoint);
    }
    if !mistakes.is_empty() {
        return Err(StartError::of_all(&mistakes));
    }
    pools.set(slots.values().filter(|slot| roles.has(roles::of_pool(slot.name()))));
    let (has_ids, has_sessions) = (settings.request_ids, sessions.is_some());
    let is_here = roles.has(roles::WEB);
    let unrouted = Unrouted { meter: RouteMeter::new(Arc::from("")), has_ids, has_sessions, is_here };
    meters.set(endpoints.iter().map(|endpoint| endpoint.meter.clone()).chain([unrouted.meter.clone()]));
    let composed = Composed {
        router,
        endpoints,
        unrouted: unrouted.endpoint(Chain::new(vec![levels.app.clone()]), None),
        unrouted_in_groups: levels
            .groups
            .iter()
            .map(|(prefix, _)| {
                let is_in = |outer: &Pattern| prefix.is_under(outer);
                (prefix.clone(), unrouted.endpoint(levels.chain(None, is_in), levels.layers(&Layers::default(), is_in)))
            })
            .collect(),
        pools: slots,
        roles,
        uses_store: !store_users.is_empty(),
        state: Arc::new(state),
        worker_values,
        urls,
        trusted_origins: TrustedOrigins::checked(trusted_origins, any_may_ask)?,
        sessions,
        threads: Arc::new(Semaphore::new(settings.threads.min(Semaphore::MAX_PERMITS))),
        spool: Arc::new(Spool::new(settings.upload_dir.clone())),
        backlogs,
        store,
        table_hash,
        proxies: match &settings.behind_proxy {
            Some(proxies) => Some(Proxies::parse(proxies, settings.proxy_headers)?),
            None => None,
        },
        probes,
        pages,
        counters,
        openapi: wanted,
        request_ids: RequestIds::new(),
        lifecycle: lifecycle.into(),
        background,
        hsts: (!settings.development).then(|| hsts(settings.hsts)),
        shutdown,
        given,
        code,
        settings,
    };
    if composed.settings.server_timing && composed.settings.development {
        layers.push(timed::outermost());
    }
    openapi::publish(&composed)?;
    Ok((Arc::new(composed), layers))
}

/// Returns the roles of this process. A worker runs what it gets.
fn roles(settings: &Settings, pools: &[&'static str], origin: Option<&str>) -> Result<Roles, StartError> {
    if pixie_pool::identity().pool.is_some() {
        return Ok(Roles::all(pools));
    }
    let place = origin.map_or("`App::role`", |origin| origin.trim_start_matches("environment "));
    Roles::checked(&settings.role, pools).map_err(|why| StartError::new(format!("{place}: {why}")))
}

fn hsts(time: Duration) -> HeaderValue {
    let value = format!("max-age={}", time.as_secs());
    HeaderValue::try_from(value).expect("digits are valid in a header")
}

/// Returns a number that a server and its workers share only if they were built from the same routes.
fn table_hash(routes: &[Route]) -> u64 {
    let mut hasher = DefaultHasher::new();
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    let mut lines: Vec<_> = routes.iter().map(describe).collect();
    lines.sort_unstable();
    lines.hash(&mut hasher);
    hasher.finish()
}

fn describe(route: &Route) -> String {
    let Place { name, file, line } = route.place();
    format!("{:?} {} {} {name} {file}:{line}", route.methods(), route.path(), route.kind())
}
