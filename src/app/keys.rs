//! The keys of signed and private cookies, from the program or from `PIXIE_SECRET` (feature
//! `sealed-cookies`).
//!
//! Keys are not sent to workers: a worker is the same program with the same `PIXIE_…` variables, and derives
//! the same keys.
use std::{any::TypeId, env};

use pixie_core::{CookieKeys, Result, StateMap};

use crate::app::{App, WorkerState};

impl App {
    /// Sets the secrets of signed and private cookies, each of at least 32 random bytes. `PIXIE_SECRET`
    /// overrides them; it can hold several, separated by commas.
    ///
    /// The first secret seals new cookies, and every secret opens existing ones. To change the secret, put
    /// the new one first, and remove the old one when its cookies have expired. All processes need the same
    /// secrets, so do not make random ones at the start.
    pub fn keys<S: AsRef<[u8]>>(mut self, secrets: impl IntoIterator<Item = S>) -> App {
        self.secrets = secrets.into_iter().map(|secret| secret.as_ref().to_vec()).collect();
        self
    }
}

/// Gives the keys to the routes of the main process and of the workers.
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
