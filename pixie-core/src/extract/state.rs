//! `State<T>`: values that the app made once and handlers read, and the map that holds them.
//!
//! A map belongs to one process. The main process has its own, each worker has its own: which of the two a route reads is
//! checked when the app starts, so a value is never missing or copied in silence.
use std::{
    any::{TypeId, type_name},
    ops::Deref,
    sync::Arc,
};

use crate::{FromRequest, Needs, Rejection, RejectionKind, Request, StateMap};

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
