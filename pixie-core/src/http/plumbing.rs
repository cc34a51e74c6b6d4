//! `Plumbing`: what a server attaches to a request before its handler runs.
//!
//! For code that serves requests itself, such as `pixie-web`; handlers read these values with methods of
//! `Request` and with extractors. All fields are public, because any value is fine.
use std::{borrow::Cow, net::SocketAddr, sync::Arc};

use crate::{BodyReader, Params, Parts, RequestId, StateMap};

/// What a server attaches to a request.
#[derive(Debug, Default)]
pub struct Plumbing {
    /// Where the wildcards' values are in the path, as the router found them.
    pub params: Params,
    /// The address of the client, if it is known.
    pub peer: Option<SocketAddr>,
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
            id: self.id.clone(),
            state: self.state.clone(),
            parts: None,
            reader: None,
            carried: self.carried.clone(),
        }
    }
}
