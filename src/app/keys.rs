//! The keys of signed and private cookies: from the program, or from `PIXIE_SECRET`. Feature `sealed-cookies`.
//!
//! Keys do not travel: a worker is the same program with the same `PIXIE_…` variables and derives the same ones.
use std::{any::TypeId, env};

use pixie_core::{CookieKeys, Result, StateMap};

use crate::app::{App, WorkerState};

impl App {
    /// Sets the secrets of signed and private cookies, at least 32 random bytes each, unless `PIXIE_SECRET` holds them,
    /// separated by commas.
    ///
    /// Cookies are written with the first and read with any: to change the secret put the new one in front, and take the
    /// old one out when its cookies have expired. They must be the same in every process, so never make them up at the
    /// start.
    pub fn keys<S: AsRef<[u8]>>(mut self, secrets: impl IntoIterator<Item = S>) -> App {
        self.secrets = secrets.into_iter().map(|secret| secret.as_ref().to_vec()).collect();
        self
    }
}

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
