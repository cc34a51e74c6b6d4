//! `State<T>`: a value that the app made once, as an argument of a handler.
//!
//! The main process and each worker have their own values. When the app starts, it checks that each route
//! finds its values in the process where it runs.
use std::{
    any::{TypeId, type_name},
    sync::Arc,
};

use crate::{Error, FromRequest, Needs, Request, StateMap, error::unprovided};

/// A value of the app, shared by all requests of one process.
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
/// use pixie_core::State;
/// fn count(visits: State<AtomicU32>) -> String {
///     format!("visit {}", visits.fetch_add(1, Ordering::Relaxed) + 1)
/// }
/// assert_eq!(count(State(Arc::default())), "visit 1");
/// ```
#[doc(alias("database", "db", "depends", "dependency injection"))]
#[derive(Debug)]
pub struct State<T>(pub Arc<T>);

impl<T> Clone for State<T> {
    fn clone(&self) -> Self {
        State(self.0.clone())
    }
}

impl<T: Send + Sync + 'static> FromRequest for State<T> {
    fn needs(needs: &mut Needs) {
        needs.state(TypeId::of::<T>(), type_name::<T>());
    }

    fn from_request(request: &mut Request) -> Result<Self, Error> {
        let missing = || {
            unprovided(format!(
                "there is no state of the type {}: an extractor that reads it adds it in `FromRequest::needs`",
                type_name::<T>()
            ))
        };
        request.state().and_then(StateMap::get).map(State).ok_or_else(missing)
    }
}
