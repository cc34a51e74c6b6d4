//! The keys of signed and private cookies, from the program or from `PIXIE_SECRET` (feature
//! `sealed-cookies`).
//!
//! Keys are not sent to workers: a worker is the same program, and makes the same keys. Invariant: a worker
//! has keys, and in a sandbox the variable, only if a route of its pool may read sealed cookies.
use std::any::TypeId;

use pixie_core::{CookieKeys, Route, StateMap};

use crate::{error::StartError, table::WorkerValue};

/// Returns whether one of these routes may read sealed cookies. A route that takes the whole request may.
pub(crate) fn are_read<'r>(mut routes: impl Iterator<Item = &'r Route>) -> bool {
    let is_key = |id: TypeId| id == TypeId::of::<CookieKeys>();
    routes.any(|route| {
        let reads = route.reads();
        reads.header_names().is_none() || reads.states.iter().any(|state| is_key(state.id))
    })
}

/// Gives the keys to the routes of the main process and of the workers.
pub(crate) fn provide(
    secrets: Vec<Vec<u8>>,
    given: Option<(&str, &str)>,
    state: &mut StateMap,
    worker_values: &mut Vec<WorkerValue>,
) -> Result<(), StartError> {
    let keys = match given {
        Some((text, _)) => CookieKeys::new(text.split(',').map(str::trim)),
        None if secrets.is_empty() => return Ok(()),
        None => CookieKeys::new(secrets),
    };
    let keys = keys.map_err(|error| match given {
        // The origin has the file and the line.
        Some((_, origin)) if !origin.is_empty() => {
            StartError::new(format!("{}: {error}", origin.trim_start_matches("environment ")))
        }
        _ => StartError::new(error.to_string()),
    })?;
    state.insert(keys.clone());
    worker_values.push((TypeId::of::<CookieKeys>(), Box::new(move |map| map.insert(keys.clone()))));
    Ok(())
}
