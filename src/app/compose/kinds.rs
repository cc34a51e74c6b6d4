//! The kinds of routes whose attributes name none: as their innermost group or the app says.
use pixie_core::{Pattern, Route, RouteType};

use crate::{error::StartError, table::hooks::Level};

/// Gives each route its kind. `groups` are sorted from outer to inner.
pub(super) fn apply(routes: &mut [(&'static str, Route)], app: &Level, groups: &[(Pattern, Level)]) {
    for (_, route) in routes.iter_mut().filter(|(_, route)| route.has_default_kind()) {
        let pattern = route.pattern().ok();
        let is_in = |prefix: &Pattern| pattern.is_some_and(|pattern| pattern.is_under(prefix));
        let of_group = groups.iter().rev().filter(|(prefix, _)| is_in(prefix)).find_map(|(_, level)| level.kind);
        if let Some(kind) = of_group.or(app.kind) {
            *route = route.clone().or_kind(kind);
        }
    }
}

/// Refuses kinds that a plain `fn` cannot have.
pub(super) fn mistakes(app: &Level, groups: &[(Pattern, Level)]) -> Vec<StartError> {
    let levels = [("App::default_kind".to_owned(), app)].into_iter();
    let levels = levels.chain(groups.iter().map(|(prefix, level)| (format!("Group::new(\"{prefix}\")"), level)));
    let wrong = levels.filter(|(_, level)| matches!(level.kind, Some(RouteType::Async | RouteType::Stream)));
    let fix = "the default kind of a plain `fn` is sync, thread or pool; name another kind in the attribute";
    wrong.map(|(place, _)| StartError::new(format!("`{place}`: {fix}"))).collect()
}
