//! `Plumbing`: what a server attaches to a request before its handler runs, and `StateMap`: the values of the
//! app.
//!
//! For code that serves requests itself, such as `pixie-web`; handlers read these values with methods of
//! `Request` and with extractors. All fields are public, because any value is fine.
use std::{
    any::{Any, TypeId},
    borrow::Cow,
    collections::HashMap,
    fmt,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use crate::{BodyReader, Params, Parts, RequestId, Scheme};

/// What a server attaches to a request.
#[derive(Debug, Default)]
pub struct Plumbing {
    /// Where the wildcards' values are in the path, as the router found them.
    pub params: Params,
    /// The address of the client, if it is known.
    pub peer: Option<SocketAddr>,
    /// How the client reaches the app.
    pub scheme: Scheme,
    /// The id of the request in logs, if it has one.
    pub id: Option<RequestId>,
    /// The app's values of this process.
    pub state: Option<Arc<StateMap>>,
    /// The fields and files of a form, if the body was read into them.
    pub parts: Option<Box<Parts>>,
    /// The reader of a body that still arrives. Boxed, because few handlers have one.
    pub reader: Option<Box<BodyReader>>,
    /// What hooks carried: the name of each value's type, and the value as JSON.
    pub carried: Vec<(Cow<'static, str>, Vec<u8>)>,
}

impl Plumbing {
    /// Adds a carried value, in place of an earlier one of this name.
    pub fn carry(&mut self, name: Cow<'static, str>, json: Vec<u8>) {
        self.carried.retain(|(known, _)| *known != name);
        self.carried.push((name, json));
    }

    /// Returns a copy without the parts and the reader of the body.
    pub(crate) fn without_body(&self) -> Plumbing {
        Plumbing {
            params: self.params.clone(),
            peer: self.peer,
            scheme: self.scheme,
            id: self.id.clone(),
            state: self.state.clone(),
            parts: None,
            reader: None,
            carried: self.carried.clone(),
        }
    }
}

/// The values of one process, one per type. The main process has its own map, and so has each worker.
#[derive(Clone, Default)]
pub struct StateMap(HashMap<TypeId, Slot>);

/// The place of a value, which may be made later.
type Slot = Arc<OnceLock<Arc<dyn Any + Send + Sync>>>;

impl StateMap {
    /// Adds a value, in place of an earlier one of the same type.
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        self.reserve::<T>();
        self.fill(value);
    }

    /// Adds the place of a value that is made later, in place of an earlier value of the same type.
    pub fn reserve<T: Send + Sync + 'static>(&mut self) {
        self.0.insert(TypeId::of::<T>(), Slot::default());
    }

    /// Puts a value into its place. Without effect if there is no place, or if it has its value.
    pub fn fill<T: Send + Sync + 'static>(&self, value: T) {
        if let Some(slot) = self.0.get(&TypeId::of::<T>()) {
            let _ = slot.set(Arc::new(value));
        }
    }

    /// Returns the value of this type.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.0.get(&TypeId::of::<T>())?.get()?.clone().downcast().ok()
    }

    /// Returns whether the map has a value of this type, or will have one.
    pub fn contains(&self, id: TypeId) -> bool {
        self.0.contains_key(&id)
    }
}

impl fmt::Debug for StateMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StateMap({} values)", self.0.len())
    }
}
