//! What is wrong with an app, found at the start and named with its line of code.
//!
//! Each check looks at plain values and changes nothing. Must stay true: a message names the route, and the fix.
use std::{any::TypeId, collections::BTreeSet, sync::Arc};

use pixie_core::{Error, NeededState, Place, Result, Route, StateMap};

use super::BY_HAND;
use crate::{
    app::WorkerState,
    table::{hooks::Level, settings::Settings, time_limit::TimeLimit, urls::Urls},
};

/// Refuses an app without routes, and routes of a package that the app did not name.
pub(super) fn packages(routes: &[(&'static str, Route)], included: &BTreeSet<&'static str>) -> Result<()> {
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
pub(super) fn states(routes: &[(&'static str, Route)], main: &StateMap, workers: &[WorkerState]) -> Result<()> {
    let is_given = |id: TypeId| id == TypeId::of::<Urls>() || id == TypeId::of::<TimeLimit>();
    let in_workers = |id: TypeId| is_given(id) || workers.iter().any(|(made, _)| *made == id);
    for (_, route) in routes {
        let Place { name, file, line } = route.place();
        let pooled = route.kind().is_pooled();
        let has = |id| if pooled { in_workers(id) } else { main.contains(id) };
        let Some(NeededState { id, name: state, remedy, .. }) = route.reads().states().find(|state| !has(state.id))
        else {
            continue;
        };
        if let Some(remedy) = remedy {
            return Err(Error::internal(format!(
                "route `{name}` ({file}:{line}) needs {state}, and there is none: {remedy}"
            )));
        }
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

/// Refuses routes of workers that ask for what only the main process has.
pub(super) fn extensions(routes: &[(&'static str, Route)]) -> Result<()> {
    let pooled = routes.iter().map(|(_, route)| route).filter(|route| route.kind().is_pooled());
    let Some((route, name)) =
        pooled.flat_map(|route| route.reads().extensions().iter().map(move |name| (route, name))).next()
    else {
        return Ok(());
    };
    let (kind, Place { name: route, file, line }) = (route.kind(), route.place());
    Err(Error::internal(format!(
        "the {kind} route `{route}` ({file}:{line}) reads `Extension<{name}>`, which stays in the main process: let a before \
         hook call `request.carry(&value)`, and read `Carried<{name}>`"
    )))
}

/// Refuses routes that would block a thread of the runtime while a body arrives.
pub(super) fn readers(routes: &[(&'static str, Route)]) -> Result<()> {
    let blocks = |route: &Route| !route.reads().body.suits(route.kind());
    let Some((_, route)) = routes.iter().find(|(_, route)| blocks(route)) else { return Ok(()) };
    let (kind, Place { name, file, line }) = (route.kind(), route.place());
    Err(Error::internal(format!(
        "the {kind} route `{name}` ({file}:{line}) reads its body while it arrives, which blocks: make it a pool, stream or \
         thread route, or take `Bytes`"
    )))
}

pub(super) fn pages<'l>(mut levels: impl Iterator<Item = &'l Arc<Level>>) -> Result<()> {
    let is_error = |status: http::StatusCode| status.is_client_error() || status.is_server_error();
    match levels.all(|level| level.pages.iter().all(|(status, _)| status.is_some_and(is_error))) {
        true => Ok(()),
        false => Err(Error::internal("`error_page` takes an error status, from 400 to 599")),
    }
}

/// Refuses an app whose thread routes could only be answered with 503.
pub(super) fn threads(threads: usize) -> Result<()> {
    match threads {
        0 => Err(Error::internal(
            "`App::threads(0)`: no thread route would ever run; say how many may run at once, from 1 on",
        )),
        _ => Ok(()),
    }
}

/// Refuses malformed sizes.
pub(super) fn sizes(settings: &Settings) -> Result<()> {
    let wrong = |option: &str, why: &str| Error::internal(format!("`App::{option}`: {why}"));
    settings.body_limit.bytes().map_err(|why| wrong("body_limit", why))?;
    if let Some(why) = settings.form_limits.mistake() {
        return Err(wrong("form_limits", why));
    }
    match settings.worker_memory.as_ref().map(|size| size.bytes()) {
        Some(Err(why)) => Err(wrong("worker_memory", why)),
        _ => Ok(()),
    }
}

/// Refuses options that a route cannot keep: what the attribute refuses at compile time.
pub(super) fn options(routes: &[(&'static str, Route)]) -> Result<()> {
    let Some((route, why)) = routes.iter().find_map(|(_, route)| Some((route, route.wrong_option()?))) else {
        return Ok(());
    };
    let (kind, Place { name, file, line }) = (route.kind(), route.place());
    Err(Error::internal(format!("the {kind} route `{name}` ({file}:{line}) {why}")))
}
