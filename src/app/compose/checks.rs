//! Checks of an app at its start. Each only reads plain values.
//!
//! Invariant: a message names the route with its line of code, and the fix.
use std::{any::TypeId, collections::BTreeSet, sync::Arc};

use pixie_core::{NeededState, Pattern, Place, Route, StateMap};

use crate::{
    app::routes::BY_HAND,
    error::StartError,
    table::{
        WorkerValue, agent::AgentAddress, hooks::Level, sessions, settings::Settings, store, time_limit::TimeLimit,
        urls::Urls,
    },
};

/// Limits the threads of thread routes. Linux has at most four million threads on a large machine.
const THREADS_MOST: usize = 100_000;

type Checked<T = ()> = Result<T, StartError>;

/// Refuses an app without routes, and routes of a package that the app did not include.
pub(super) fn packages(routes: &[(&'static str, Route)], included: &BTreeSet<&'static str>) -> Checked {
    if routes.is_empty() {
        return Err(StartError::new(
            "the app has no routes: write `#[route(\"/\")]` above a function, or add one with `App::route`",
        ));
    }
    let found: BTreeSet<_> = routes.iter().map(|(package, _)| *package).filter(|name| *name != BY_HAND).collect();
    if let Some(missing) = included.difference(&found).next() {
        return Err(StartError::new(format!(
            "`App::include(\"{missing}\")`: no attribute of that package wrote a route"
        )));
    }
    if found.len() < 2 || found == *included {
        return Ok(());
    }
    let names: Vec<_> = found.iter().map(|name| format!("`{name}`")).collect();
    let calls: String = found.iter().map(|name| format!(".include(\"{name}\")")).collect();
    Err(StartError::new(format!(
        "routes come from {} packages, {}: name each one that may add pages, with `App::collect(){calls}`",
        found.len(),
        names.join(", ")
    )))
}

/// Returns the routes that read a state which their process does not have, each state once.
pub(super) fn states(
    routes: &[Route],
    main: &StateMap,
    workers: &[WorkerValue],
    has_sessions: bool,
) -> Vec<StartError> {
    let is_given = |id: TypeId| id == TypeId::of::<Urls>() || id == TypeId::of::<TimeLimit>();
    let in_workers = |id: TypeId| is_given(id) || workers.iter().any(|(made, _)| *made == id);
    let is_session = |id: TypeId| has_sessions && sessions::is_session(id);
    let has = |route: &Route, id| {
        // Every app has a store.
        let is_everywhere = is_session(id) || store::is_always_there(id);
        is_everywhere || if route.kind().is_pooled() { in_workers(id) } else { main.contains(id) }
    };
    let mut mistakes = Vec::new();
    for route in routes {
        for state in route.reads().states.iter().filter(|state| !has(route, state.id)) {
            let found = (main.contains(state.id), in_workers(state.id));
            mistakes.push(StartError::at(route.place(), missing_state(route, state, found)));
        }
    }
    mistakes
}

/// Returns the sentence about a state that a route reads, and that the main process and the workers have or
/// do not have.
fn missing_state(route: &Route, state: &NeededState, (in_main, in_workers): (bool, bool)) -> String {
    let (kind, state_name, Place { name, file, line }) = (route.kind(), state.name, route.place());
    if let Some(remedy) = state.remedy {
        return format!("route `{name}` ({file}:{line}) needs {state_name}, and there is none: {remedy}");
    }
    let hint = match (kind.is_pooled(), in_main, in_workers) {
        (true, true, _) => {
            "`App::state` belongs to the main process, this route runs in a worker: make one there with `App::worker_state`"
        }
        (true, false, _) => "make it in each worker with `App::worker_state`",
        (false, _, true) => {
            "`App::worker_state` belongs to the workers, this route runs in the main process: put one there with `App::state`"
        }
        (false, _, false) => "put it in with `App::state`",
    };
    format!("the {kind} route `{name}` ({file}:{line}) reads `State<{state_name}>`, which does not exist: {hint}")
}

/// Returns the routes in workers that read values which only the main process has.
pub(super) fn extensions(routes: &[Route]) -> Vec<StartError> {
    let pooled = routes.iter().filter(|route| route.kind().is_pooled());
    let read = pooled.flat_map(|route| route.reads().extensions.iter().map(move |name| (route, name)));
    let mistake = |(route, name): (&Route, &&str)| {
        let fix = format!("let a before hook call `request.carry(&value)`, and read `Carried<{name}>`");
        of_route(route, &format!("reads `Extension<{name}>`, which stays in the main process: {fix}"))
    };
    read.map(mistake).collect()
}

/// Returns the routes that would block a thread of the runtime while a body arrives.
pub(super) fn readers(routes: &[Route]) -> Vec<StartError> {
    let wrong = routes.iter().filter(|route| !route.reads().body.suits(route.kind()));
    let mistake = |route: &Route| match route.reads().body.takes_connection() {
        true => of_route(route, "takes over its connection, which only an async route can do: make it an `async fn`"),
        false => of_route(
            route,
            "reads its body while it arrives, which blocks: make it a pool, stream or thread route, or take `Bytes`",
        ),
    };
    wrong.map(mistake).collect()
}

fn of_route(route: &Route, why: &str) -> StartError {
    let (kind, Place { name, file, line }) = (route.kind(), route.place());
    StartError::at(route.place(), format!("the {kind} route `{name}` ({file}:{line}) {why}"))
}

/// Refuses error pages for numbers that are not an error status.
pub(super) fn pages<'l>(mut levels: impl Iterator<Item = &'l Arc<Level>>) -> Checked {
    let is_error = |status: http::StatusCode| status.is_client_error() || status.is_server_error();
    match levels.all(|level| level.pages.iter().all(|(status, _)| status.is_some_and(is_error))) {
        true => Ok(()),
        false => Err(StartError::new("`error_page` takes an error status, from 400 to 599")),
    }
}

/// Refuses settings that cannot work.
pub(super) fn settings(settings: &Settings) -> Checked {
    let wrong = |option: &str, why: &str| StartError::new(format!("`App::{option}`: {why}"));
    if settings.threads == 0 {
        return Err(wrong("threads(0)", "thread routes could never run: use a number from 1 on"));
    }
    if settings.threads > THREADS_MOST {
        let text = format!("threads({})", settings.threads);
        return Err(wrong(&text, "no system has so many threads: use a number up to 100000"));
    }
    if let Some(Err(why)) = settings.agent.as_ref().map(AgentAddress::candidates) {
        return Err(wrong("agent", &why));
    }
    if settings.replicas == 0 {
        return Err(wrong("replicas(0)", "this process is one: use a number from 1 on"));
    }
    settings.body_limit.bytes().map_err(|why| wrong("body_limit", why))?;
    let (each, together) = (&settings.response_backlog, &settings.response_backlog_total);
    each.bytes().and(together.bytes()).map_err(|why| wrong("response_backlog", why))?;
    if let Some(why) = settings.form_limits.mistake() {
        return Err(wrong("form_limits", why));
    }
    if let Some(why) = settings.server.mistake() {
        return Err(wrong("server", why));
    }
    match settings.worker_memory.as_ref().map(|size| size.bytes()) {
        Some(Err(why)) => Err(wrong("worker_memory", why)),
        _ => Ok(()),
    }
}

/// Returns the routes with options that they cannot keep: what the attribute refuses at compile time.
pub(super) fn options(routes: &[Route]) -> Vec<StartError> {
    routes.iter().filter_map(|route| Some(of_route(route, &route.wrong_option()?))).collect()
}

/// Checks the prefixes of groups, and sorts the groups from outer to inner.
pub(super) fn groups(groups: Vec<(String, Level)>, mistakes: &mut Vec<StartError>) -> Vec<(Pattern, Level)> {
    let mut checked = Vec::new();
    for (text, level) in groups {
        match prefix(&text) {
            Ok(prefix) => checked.push((prefix, level)),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    // The text of an inner prefix can be shorter than that of an outer one: `/%61%62%63` contains `/abc/d`.
    checked.sort_by_key(|(prefix, _)| prefix.as_str().trim_end_matches('/').matches('/').count());
    checked
}

/// Returns the groups that contain no route, so that their hooks would protect nothing.
pub(super) fn idle_groups(groups: &[(Pattern, Level)], routes: &[Route]) -> Vec<StartError> {
    let has_route = |prefix: &Pattern| routes.iter().flat_map(Route::pattern).any(|pattern| pattern.is_under(prefix));
    let idle = groups.iter().filter(|(prefix, level)| level.has_effect() && !has_route(prefix));
    let mistake = |(prefix, _): &(Pattern, Level)| {
        let fix = "the routes of an attribute name their whole path, and `Group::route` adds the prefix";
        StartError::new(format!("`Group::new(\"{prefix}\")`: no route has a path under `{prefix}`: {fix}"))
    };
    idle.map(mistake).collect()
}

fn prefix(text: &str) -> Checked<Pattern> {
    let wrong = |why: &str| StartError::new(format!("`Group::new(\"{text}\")`: {why}"));
    let prefix = Pattern::parse(if text.is_empty() { "/" } else { text }).map_err(|error| wrong(&error.to_string()))?;
    match prefix.names().count() {
        0 => Ok(prefix),
        _ => Err(wrong("a prefix must not have wildcards: use the literal text before them")),
    }
}
