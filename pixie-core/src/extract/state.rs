//! `State<T>`: values that the app made once and handlers read, and the map that holds them.
//!
//! A map belongs to one process. The main process has its own, each worker has its own: which of the two a route reads is
//! checked when the app starts, so a value is never missing or copied in silence.
use std::{
    any::{Any, TypeId, type_name},
    collections::HashMap,
    fmt,
    ops::Deref,
    sync::Arc,
};

use crate::{FromRequest, Needs, Rejection, RejectionKind, Request};

/// The values of one process, one per type.
#[derive(Clone, Default)]
pub struct StateMap(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl StateMap {
    /// Puts a value in, in place of an earlier one of the same type.
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        self.0.insert(TypeId::of::<T>(), Arc::new(value));
    }

    /// Returns the value of this type.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.0.get(&TypeId::of::<T>())?.clone().downcast().ok()
    }

    /// Says whether a value of this type is in the map.
    pub fn contains(&self, id: TypeId) -> bool {
        self.0.contains_key(&id)
    }
}

impl fmt::Debug for StateMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StateMap({} values)", self.0.len())
    }
}

/// A value of the app, shared by all requests of one process.
pub struct State<T>(pub Arc<T>);

impl<T> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Clone for State<T> {
    fn clone(&self) -> Self {
        State(self.0.clone())
    }
}

impl<T: Send + Sync + 'static> FromRequest for State<T> {
    fn needs(needs: &mut Needs) {
        needs.state(TypeId::of::<T>(), type_name::<T>());
    }

    fn from_request(request: &mut Request) -> Result<Self, Rejection> {
        let missing = || Rejection::new(RejectionKind::Unavailable, format!("no state of type {}", type_name::<T>()));
        request.state().and_then(StateMap::get).map(State).ok_or_else(missing)
    }
}
