//! The keys of signed and private cookies: from the program, or from `PIXIE_SECRET`. Feature `sealed-cookies`.
//!
//! Keys do not travel: a worker is the same program with the same `PIXIE_…` variables and derives the same ones.
use std::{any::TypeId, env};

use pixie_core::{CookieKeys, Result, StateMap};

use crate::app::{App, WorkerState};

/// Puts the keys where the routes of both processes find them.
pub(crate) fn provide(secrets: Vec<Vec<u8>>, state: &mut StateMap, worker_state: &mut Vec<WorkerState>) -> Result<()> {
    let keys = match env::var("PIXIE_SECRET") {
        Ok(text) => CookieKeys::new(text.split(',').map(str::trim))?,
        Err(_) if secrets.is_empty() => return Ok(()),
        Err(_) => CookieKeys::new(secrets)?,
    };
    state.insert(keys.clone());
    worker_state.push((TypeId::of::<CookieKeys>(), Box::new(move |map| map.insert(keys.clone()))));
    Ok(())
}
