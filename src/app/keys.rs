//! The keys of signed and private cookies, from the program or from `PIXIE_SECRET` (feature
//! `sealed-cookies`).
//!
//! Keys are not sent to workers: a worker is the same program with the same `PIXIE_…` variables, and makes
//! the same keys.
use std::{any::TypeId, env};

use pixie_core::{CookieKeys, StateMap};

use crate::{error::StartError, table::WorkerValue};

/// Gives the keys to the routes of the main process and of the workers.
pub(crate) fn provide(
    secrets: Vec<Vec<u8>>,
    state: &mut StateMap,
    worker_values: &mut Vec<WorkerValue>,
) -> Result<(), StartError> {
    let keys = match env::var("PIXIE_SECRET") {
        Ok(text) => CookieKeys::new(text.split(',').map(str::trim)),
        Err(_) if secrets.is_empty() => return Ok(()),
        Err(_) => CookieKeys::new(secrets),
    };
    let keys = keys.map_err(|error| StartError::new(error.to_string()))?;
    state.insert(keys.clone());
    worker_values.push((TypeId::of::<CookieKeys>(), Box::new(move |map| map.insert(keys.clone()))));
    Ok(())
}
