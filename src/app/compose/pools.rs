//! The pools of an app: which there are, and the settings of each.
//!
//! A setting of a pool comes from files and the environment, else from the declaration of the pool, else from
//! the app.
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use pixie_core::{Place, Route};
use pixie_pool::{Config, Pool};

use crate::{
    app::keys,
    config::{SECRET, SETTINGS},
    error::StartError,
    table::{
        given::Given,
        pools::{DEFAULT_POOL, FRESH_POOL, Origins, PoolSlot, STREAM_POOL, pool_of},
        settings::{Settings, Workers},
        store,
    },
};

/// The largest number of streams at the same time, unless the pool has a size of its own. Each takes a
/// process, of 5 MB, most of it shared.
const STREAMS_MAX: usize = 64;

/// Makes a slot for each pool that a route runs in. Refuses a pool that is declared twice or that no route
/// uses.
pub(super) fn slots(
    declared: Vec<Config>,
    routes: &[Route],
    settings: &Settings,
    given: &Given,
    table_hash: u64,
) -> Result<BTreeMap<&'static str, Arc<PoolSlot>>, StartError> {
    let used: BTreeSet<_> = used(routes.iter()).into_iter().collect();
    let mut declared = by_name(declared, &used)?;
    let default = declared.get(DEFAULT_POOL).cloned();
    let slot = |name: &'static str| {
        let mut config = declared.remove(name).unwrap_or_else(|| Pool::named(name)).table_hash(table_hash);
        if name == STREAM_POOL {
            inherit_for_streams(&mut config, default.as_ref(), settings);
        }
        if name == FRESH_POOL {
            default.iter().for_each(|default| config.inherit(default));
        }
        config = freshened(config, routes)?;
        if keys::are_read(routes.iter().filter(|route| is_in(route, name))) {
            config = with_secret(config, given);
        }
        let (mut config, origins) = configured(config, settings, given)?;
        check_fresh(&mut config, settings)?;
        Ok((name, Arc::new(PoolSlot::new(config, origins))))
    };
    used.into_iter().map(slot).collect()
}

/// Returns the pools that routes run in, each once.
pub(super) fn used<'r>(routes: impl Iterator<Item = &'r Route>) -> Vec<&'static str> {
    let names: BTreeSet<_> = routes.filter_map(pool_of).collect();
    names.into_iter().collect()
}

/// Gives the secret of sealed cookies to the workers of a pool. Workers inherit a variable of the
/// environment, but not a line of a file.
fn with_secret(config: Config, given: &Given) -> Config {
    match &given.secret {
        Some((secret, origin)) if !origin.starts_with("environment") => config.env(SECRET, secret),
        _ => config.pass_env(SECRET),
    }
}

/// Returns whether a route runs in the pool of this name.
pub(super) fn is_in(route: &Route, pool: &str) -> bool {
    pool_of(route) == Some(pool)
}

/// Makes a pool fresh if its routes are. Refuses a pool of which only some are.
fn freshened(config: Config, routes: &[Route]) -> Result<Config, StartError> {
    let all = || routes.iter().filter(|route| is_in(route, &config.name));
    let Some(fresh) = all().find(|route| route.options().fresh) else { return Ok(config) };
    match all().find(|route| !route.options().fresh) {
        Some(other) if !config.fresh => {
            let (name, Place { name: one, .. }, other) = (&config.name, fresh.place(), other.place());
            let why = format!(
                "route `{one}` has the option `fresh`, but route `{}` of the pool `{name}` has not",
                other.name
            );
            let fix = "add it there, name another pool, or declare the pool with `Pool::fresh`";
            Err(StartError::at(other, format!("{why}: {fix}")))
        }
        _ => Ok(config.fresh()),
    }
}

/// Refuses a fresh pool without processes. A test runs its jobs on threads, as those of all pools.
fn check_fresh(config: &mut Config, settings: &Settings) -> Result<(), StartError> {
    if !config.fresh || config.size.max > 0 {
        return Ok(());
    }
    if settings.workers == Workers::OfTest(0) {
        return config.set_text("fresh", "off").map_err(StartError::new);
    }
    let fix = "give the pool a size above 0, as with `PIXIE_WORKERS`, or remove `fresh`";
    Err(StartError::new(format!(
        "pool `{}` is fresh, which needs worker processes, but it has none: {fix}",
        config.name
    )))
}

fn by_name(declared: Vec<Config>, used: &BTreeSet<&str>) -> Result<BTreeMap<String, Config>, StartError> {
    let mut by_name = BTreeMap::new();
    for pool in declared {
        let name = pool.name.clone();
        let is_inherited = name == DEFAULT_POOL && (used.contains(STREAM_POOL) || used.contains(FRESH_POOL));
        if !is_inherited && !used.contains(name.as_str()) {
            let used = used.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let used = if used.is_empty() { "no route runs in a pool".into() } else { format!("routes run in {used}") };
            let fix = format!("write `pool = \"{name}\"` at a route, or remove the declaration");
            return Err(StartError::new(format!("`App::pool` declares `{name}`, but {used}: {fix}")));
        }
        if by_name.insert(name.clone(), pool).is_some() {
            return Err(StartError::new(format!("`App::pool` declares `{name}` twice: keep one of them")));
        }
    }
    Ok(by_name)
}

/// Gives the pool of streams the settings of the pool `default`, such as its sandbox, and a size of its own.
fn inherit_for_streams(config: &mut Config, default: Option<&Config>, settings: &Settings) {
    let has_threads = settings.workers == Workers::OfApp(0) || default.is_some_and(|pool| pool.size.max == 0);
    let size = Pool::named(STREAM_POOL);
    config.inherit(&if has_threads { size.size(0) } else { size.size(0..=STREAMS_MAX) });
    default.into_iter().for_each(|default| config.inherit(default));
}

/// Returns the configuration of a pool, and the origins of its settings.
fn configured(mut config: Config, settings: &Settings, given: &Given) -> Result<(Config, Origins), StartError> {
    let mut origins = Origins::new();
    let mut note = |config: &Config, origin: &str| {
        for setting in Config::settings().iter().filter(|setting| config.is_set(setting.name)) {
            origins.entry(setting.name).or_insert_with(|| origin.to_owned());
        }
    };
    note(&config, "code");
    let app = of_app(settings);
    config.inherit(&app);
    note(&config, "app");
    config = settings.pass_env.iter().fold(config, |config, name| config.pass_env(name)).ignore_environment();
    config = config.env(SETTINGS, serde_json::to_string(&for_workers(given)).map_err(StartError::of_system)?);
    if let Some(args) = &settings.worker_args {
        config = config.args(args.clone());
    }
    for value in &given.values {
        let name = match value.of_pool() {
            Some((pool, name)) if pool == config.name => name,
            // A number that suits the processors does not suit streams, which mostly wait.
            None if value.key == "app.workers" && (config.name != STREAM_POOL || is_zero(&value.text)) => "size",
            _ => continue,
        };
        config.set_text(name, &value.text).map_err(StartError::new)?;
        let known = Config::settings().iter().find(|setting| setting.name == name);
        known.map(|setting| origins.insert(setting.name, value.origin.clone()));
    }
    if let Workers::OfTest(workers) = settings.workers {
        config = config.size(workers);
    }
    Ok((config, origins))
}

/// Returns what workers get of the values: all except for the address of the store, which may hold a password.
fn for_workers(given: &Given) -> Given {
    let values = given.values.iter().filter(|value| value.key != store::KEY);
    Given { values: values.cloned().collect(), ..Given::default() }
}

fn is_zero(text: &str) -> bool {
    text.bytes().all(|digit| digit == b'0')
}

/// Returns the app's settings, which a pool has unless it sets its own.
fn of_app(settings: &Settings) -> Config {
    let mut config = Pool::named("app")
        .deadline(settings.deadline)
        .queue_timeout(settings.queue_timeout)
        .slow_after(settings.slow_after);
    if let Some(size) = &settings.worker_memory {
        config = config.memory(size.clone());
    }
    if let Workers::OfApp(workers) = settings.workers {
        config = config.size(workers);
    }
    config
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::table::given::GivenValue;

    fn given(values: &[(&str, &str)]) -> Given {
        let value = |(key, text): &(&str, &str)| GivenValue {
            key: (*key).to_owned(),
            text: (*text).to_owned(),
            origin: "a file".to_owned(),
        };
        Given { values: values.iter().map(value).collect(), ..Given::default() }
    }

    /// Settings with a number of workers, and what gives it.
    fn with_workers(workers: Workers) -> (Settings, Given) {
        let given = match workers {
            Workers::OfOperator(count) => given(&[("app.workers", &count.to_string())]),
            _ => Given::default(),
        };
        (Settings { workers, ..Settings::default() }, given)
    }

    #[test]
    fn the_last_layer_that_gives_a_pool_a_size_decides() {
        let size = |values: &[(&str, &str)]| {
            let declared = Pool::named("p").size(2).memory(7);
            let (config, origins) = configured(declared, &Settings::default(), &given(values)).expect("right");
            assert_eq!((origins["size"].as_str(), config.memory.clone()), ("a file", Some(7.into())));
            config.size
        };
        assert_eq!(size(&[("app.workers", "4"), ("pools.p.size", "3..5"), ("pools.q.size", "9")]), (3..=5).into());
        assert_eq!(size(&[("pools.p.size", "3..5"), ("app.workers", "4")]), 4.into());
    }

    #[test]
    fn a_declared_pool_has_the_settings_of_the_app_that_it_does_not_set() {
        let second = Duration::from_secs(1);
        let settings = Settings {
            deadline: second,
            queue_timeout: 2 * second,
            worker_memory: Some(7.into()),
            ..Settings::default()
        };
        let declared = Pool::named("p").size(2).queue_timeout(3 * second);
        let (config, origins) = configured(declared, &settings, &Given::default()).expect("its settings are right");
        assert_eq!(
            (origins["size"].as_str(), origins["deadline"].as_str(), origins.get("queue")),
            ("code", "app", None)
        );
        assert_eq!((config.size, config.queue_timeout), (2.into(), 3 * second));
        assert_eq!((config.deadline, config.slow_after), (Some(second), settings.slow_after));
        assert_eq!(config.memory, Some(7.into()));
    }

    #[test]
    #[cfg(feature = "sealed-cookies")]
    fn the_secret_of_cookies_goes_only_to_pools_whose_routes_may_read_them() {
        use pixie_core::{Needs, SignedCookies};
        let route = |path, pool, needs| Route::get(path).pool(|_| ()).needs(needs).pool(pool);
        let routes = [
            route("/images", "images", Needs::default()),
            route("/user", "users", Needs::default().extractor::<SignedCookies>()),
            Route::get("/all").pool(|_| ()),
        ];
        let slots =
            slots(Vec::new(), &routes, &Settings::default(), &Given::default(), 0).expect("its settings are right");
        let has = |pool| slots[pool].config.pass_env.iter().any(|name| name == SECRET);
        assert_eq!([has("images"), has("users"), has(DEFAULT_POOL)], [false, true, true]);
        assert!(slots["images"].config.pass_env.iter().any(|name| name == "PIXIE_PORT"));
    }

    #[test]
    fn streams_have_a_pool_of_their_own_with_the_settings_of_the_default_one_except_its_size() {
        let routes = [Route::get("/").pool(|_| ()), Route::get("/events").stream(|_| [""].into_iter())];
        let size = |declared: &[Config], workers: Workers| {
            let (settings, given) = with_workers(workers);
            let slots = slots(declared.to_vec(), &routes, &settings, &given, 0).expect("its settings are right");
            assert_eq!(slots.keys().copied().collect::<Vec<_>>(), [DEFAULT_POOL, STREAM_POOL]);
            let config = &slots[STREAM_POOL].config;
            (config.size, config.memory.clone(), config.queue)
        };
        let many = (0..=STREAMS_MAX).into();
        for workers in [Workers::OnePerCore, Workers::OfApp(2), Workers::OfOperator(2)] {
            assert_eq!(size(&[], workers), (many, None, 1024));
        }
        for workers in [Workers::OfApp(0), Workers::OfOperator(0), Workers::OfTest(0)] {
            assert_eq!(size(&[], workers).0, 0.into());
        }
        let default = Pool::named(DEFAULT_POOL).size(3).memory(7).queue(5);
        assert_eq!(size(std::slice::from_ref(&default), Workers::OnePerCore), (many, Some(7.into()), 5));
        let own = Pool::named(STREAM_POOL).size(9).queue(6);
        assert_eq!(size(&[default, own], Workers::OnePerCore), (9.into(), Some(7.into()), 6));
        assert_eq!(size(&[Pool::named(DEFAULT_POOL).size(0)], Workers::OnePerCore).0, 0.into());
    }

    #[test]
    fn a_test_has_the_workers_that_it_asked_for_and_the_environment_overrides_a_declaration() {
        let size = |workers| {
            let (settings, given) = with_workers(workers);
            configured(Pool::named("p").size(2..=3), &settings, &given).expect("its numbers are right").0.size
        };
        let all = [Workers::OnePerCore, Workers::OfApp(4), Workers::OfOperator(5), Workers::OfTest(0)].map(size);
        assert_eq!(all, [(2..=3).into(), (2..=3).into(), 5.into(), 0.into()]);
    }
}
