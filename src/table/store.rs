//! The app's store: where it is, and who may use it.
//!
//! The main process opens the store. A job of a worker asks the main process, which allows what the job's
//! pool may use. Invariant: the address may hold a password, so it is never shown or passed to a worker.
use std::fmt;

use pixie_grammar::TextValue;

/// The name of the setting in `pixie.toml`, with its table.
pub(crate) const KEY: &str = "app.store";

/// The address of a store, such as `redis://:password@localhost:6379`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct StoreAddress(String);

impl Default for StoreAddress {
    fn default() -> StoreAddress {
        StoreAddress("memory".to_owned())
    }
}

impl TextValue for StoreAddress {
    const TAKES: &'static str = "`memory`, `redb:PATH` or `redis://HOST:PORT`";

    fn from_text(text: &str) -> Result<StoreAddress, String> {
        Ok(StoreAddress(text.to_owned()))
    }

    /// Returns the address without name and password.
    fn to_text(&self) -> String {
        match (self.0.find("://"), self.0.rfind('@')) {
            (Some(scheme), Some(at)) if scheme < at => format!("{}***{}", &self.0[..scheme + 3], &self.0[at..]),
            _ => self.0.clone(),
        }
    }
}

impl fmt::Debug for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

#[cfg(feature = "store")]
pub(crate) use self::present::*;

#[cfg(feature = "store")]
mod present {
    use std::{any::TypeId, sync::Arc};

    use bytes::Bytes;
    use pixie_core::{Needs, Request};
    use pixie_pool::{Config, Job};
    use pixie_store::Gate;
    pub(crate) use pixie_store::Store;

    use super::StoreAddress;
    use crate::error::StartError;

    /// Opens the store that an operator has chosen in the place `origin`.
    pub(crate) fn open(address: &StoreAddress, origin: &str) -> Result<Store, StartError> {
        Store::open(&address.0).map_err(|error| StartError::new(format!("{origin}: {error}")))
    }

    /// Returns the store of an app that names none.
    pub(crate) fn default() -> Option<Store> {
        Some(Store::memory())
    }

    /// Returns whether this is the type of the store, which handlers find in each process.
    pub(crate) fn is_always_there(id: TypeId) -> bool {
        id == TypeId::of::<Store>()
    }

    /// Returns whether other machines see the same values.
    pub(crate) fn is_shared(store: &Store) -> bool {
        store.is_shared()
    }

    /// Lets this runtime drive the connection of its tasks to Redis.
    pub(crate) fn attach(store: &Store) {
        store.attach();
    }

    /// Lets the jobs of a pool use the store.
    pub(crate) fn serve(config: Config, store: &Store) -> Config {
        let gate = Arc::new(Gate::new(store.clone(), config.store_grants()));
        config.calls(move |asked: Bytes| {
            let answer = gate.answer(&asked);
            async move { Bytes::from(answer.await) }
        })
    }

    /// Gives the request of a job a store that asks the main process, if the handler may read it.
    pub(crate) fn lend(needs: &Needs, request: &mut Request, job: &Job) {
        if needs.header_names().is_none() || needs.states.iter().any(|state| is_always_there(state.id)) {
            let caller = job.caller();
            request.extensions_mut().insert(Store::remote(Arc::new(move |asked| Ok(caller.call(asked)?.to_vec()))));
        }
    }
}

#[cfg(not(feature = "store"))]
pub(crate) use self::absent::*;

#[cfg(not(feature = "store"))]
mod absent {
    use std::{any::TypeId, convert::Infallible};

    use pixie_core::{Needs, Request};
    use pixie_pool::{Config, Job};

    use super::StoreAddress;
    use crate::error::StartError;

    pub(crate) type Store = Infallible;

    pub(crate) fn open(_: &StoreAddress, origin: &str) -> Result<Store, StartError> {
        Err(StartError::new(format!(
            "{origin}: this program was built without a store: add the feature `store` of pixie-web"
        )))
    }

    pub(crate) fn default() -> Option<Store> {
        None
    }

    pub(crate) fn is_always_there(_: TypeId) -> bool {
        false
    }

    pub(crate) fn is_shared(store: &Store) -> bool {
        match *store {}
    }

    pub(crate) fn attach(_: &Store) {}

    pub(crate) fn serve(config: Config, _: &Store) -> Config {
        config
    }

    pub(crate) fn lend(_: &Needs, _: &mut Request, _: &Job) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_of_an_address_is_not_shown() {
        let shown = |text: &str| format!("{:?}", StoreAddress(text.to_owned()));
        assert_eq!(shown("redis://:p@ss@cache.example:6379/1"), "redis://***@cache.example:6379/1");
        assert_eq!([shown("memory"), shown("redb:/data/a@b")], ["memory", "redb:/data/a@b"]);
    }
}
