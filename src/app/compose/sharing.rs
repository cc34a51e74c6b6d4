//! What the processes of an app must share, and the warning if they do not.
use pixie_core::Route;

use crate::table::{
    hooks::Level,
    rates::Rates,
    roles::Roles,
    sessions,
    settings::{Sessions, Settings},
    store::{self, Store},
};

/// Returns what uses the store: handlers with the extractor, rate limits, and sessions in the store. What a
/// hook does is not known.
pub(super) fn store_users<'l>(
    routes: &[Route],
    mut levels: impl Iterator<Item = &'l Level>,
    settings: &Settings,
) -> Vec<&'static str> {
    let reads_store = |route: &Route| route.reads().states.iter().any(|state| store::is_always_there(state.id));
    let is_limited = levels.any(Rates::are_in) || routes.iter().any(|route| route.options().limit.is_some());
    let in_store = settings.sessions == Sessions::InStore;
    let users = [
        ("handlers with `Store`", routes.iter().any(reads_store)),
        ("rate limits", is_limited),
        ("sessions", in_store && routes.iter().any(|route| sessions::is_read(route.reads()))),
    ];
    users.into_iter().filter(|(_, is_used)| *is_used).map(|(user, _)| user).collect()
}

/// Returns the warning for an app of several processes whose store is not shared.
pub(super) fn warning(roles: &Roles, replicas: usize, store: Option<&Store>, users: &[&str]) -> Option<String> {
    let is_alone = replicas == 1 && roles.is_whole();
    if is_alone || users.is_empty() || store.is_none_or(store::is_shared) {
        return None;
    }
    let users = users.join(", ");
    let which = format!("one of several processes (role {roles}, replicas {replicas})");
    let why = format!("this is {which}, and other machines do not share its store");
    Some(format!("{why}: {users} differ there; set PIXIE_STORE=redis://HOST:PORT"))
}

#[cfg(all(test, feature = "store"))]
mod tests {
    use pixie_core::{Needs, Route};
    use pixie_store::Store;

    use super::*;
    use crate::table::{rates::Limit, roles::RoleNames};

    fn users(route: Route, level: &Level, sessions: Sessions) -> Vec<&'static str> {
        let settings = Settings { sessions, ..Settings::default() };
        store_users(&[route], [level].into_iter(), &settings)
    }

    #[test]
    fn handlers_limits_and_sessions_use_the_store() {
        let route = || Route::get("/").pool(|_| "").needs(Needs::default());
        let plain = Level::default();
        let limited = Level { limits: vec![Limit::new("1/s")], ..Level::default() };
        let whole = || route().needs(Needs::whole_request());
        let reading = || route().needs(Needs::default().extractor::<Store>());
        for (found, expected) in [
            (users(route(), &plain, Sessions::InStore), &[][..]),
            (users(whole(), &plain, Sessions::InCookie), &[]),
            #[cfg(feature = "sessions")]
            (users(whole(), &plain, Sessions::InStore), &["sessions"]),
            (users(reading(), &plain, Sessions::InCookie), &["handlers with `Store`"]),
            (users(route().limit("1/s"), &plain, Sessions::InCookie), &["rate limits"]),
            (users(reading(), &limited, Sessions::InCookie), &["handlers with `Store`", "rate limits"]),
        ] {
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_process_that_is_one_of_several_warns_of_a_store_of_its_own() {
        let warning = |role: &str, replicas, store: Option<&Store>, users: &[&str]| {
            let roles = Roles::checked(&RoleNames::new(role), &["images"]).expect("it exists");
            super::warning(&roles, replicas, store, users)
        };
        let (memory, users) = (Store::memory(), ["rate limits", "sessions"]);
        let own = Some(&memory);
        for (role, replicas) in [("all", 2), ("web", 1), ("images", 1)] {
            let said = warning(role, replicas, own, &users).expect("it warns");
            let (start, end) =
                (format!("(role {role}, replicas {replicas})"), "rate limits, sessions differ there; set PIXIE_STORE=");
            assert!(said.contains(&start) && said.contains(end), "{said}");
        }
        assert_eq!(warning("all", 1, own, &users), None);
        assert_eq!(warning("web,images", 1, own, &users), None);
        assert_eq!(warning("all", 2, own, &[]), None);
        assert_eq!(warning("all", 2, None, &users), None);
    }
}
