//! The pools of an app: which there are, and the settings of each.
//!
//! A setting of a pool comes from the environment, else from the declaration of the pool, else from the app.
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use pixie_core::Route;
use pixie_pool::{Config, Pool};

use crate::{
    error::StartError,
    table::{
        pools::PoolSlot,
        settings::{Settings, Workers},
    },
};

/// The pool of the routes that name no pool.
const DEFAULT_POOL: &str = "default";

/// Makes a slot for each pool that a route runs in. Refuses a pool that is declared twice or that no route
/// uses.
pub(super) fn slots(
    declared: Vec<Config>,
    routes: &[Route],
    settings: &Settings,
    table_hash: u64,
) -> Result<BTreeMap<&'static str, Arc<PoolSlot>>, StartError> {
    let used: BTreeSet<_> = routes.iter().filter(|route| route.kind().is_pooled()).map(name_of).collect();
    let mut declared = by_name(declared, &used)?;
    let slot = |name: &'static str| {
        let config = declared.remove(name).unwrap_or_else(|| Pool::named(name)).table_hash(table_hash);
        Ok((name, Arc::new(PoolSlot::new(configured(config, settings)?))))
    };
    used.into_iter().map(slot).collect()
}

/// Returns the pool that a pool route or a stream route runs in.
pub(super) fn name_of(route: &Route) -> &'static str {
    route.options().pool.unwrap_or(DEFAULT_POOL)
}

fn by_name(declared: Vec<Config>, used: &BTreeSet<&str>) -> Result<BTreeMap<String, Config>, StartError> {
    let mut by_name = BTreeMap::new();
    for pool in declared {
        let name = pool.name.clone();
        if !used.contains(name.as_str()) {
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

fn configured(mut config: Config, settings: &Settings) -> Result<Config, StartError> {
    config.inherit(&of_app(settings));
    if let Some(args) = &settings.worker_args {
        config = config.args(args.clone());
    }
    if let Workers::OfEnvironment(workers) = settings.workers {
        config = config.size(workers);
    }
    config.override_by_environment().map_err(StartError::new)?;
    if let Workers::OfTest(workers) = settings.workers {
        config = config.size(workers);
    }
    Ok(config)
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
        let config = configured(declared, &settings).expect("its settings are right");
        assert_eq!((config.size, config.queue_timeout), (2.into(), 3 * second));
        assert_eq!((config.deadline, config.slow_after), (Some(second), settings.slow_after));
        assert_eq!(config.memory, Some(7.into()));
    }

    #[test]
    fn a_test_has_the_workers_that_it_asked_for_and_the_environment_overrides_a_declaration() {
        let size = |workers| {
            let settings = Settings { workers, ..Settings::default() };
            configured(Pool::named("p").size(2..=3), &settings).expect("its numbers are right").size
        };
        let all = [Workers::OnePerCore, Workers::OfApp(4), Workers::OfEnvironment(5), Workers::OfTest(0)].map(size);
        assert_eq!(all, [(2..=3).into(), (2..=3).into(), 5.into(), 0.into()]);
    }
}
