//! `Needs`: what a handler reads from a request, collected from its arguments when the route is registered.

use std::any::TypeId;

use http::HeaderName;

use crate::{After, Notes, RouteType, Security};

/// How an extractor uses the body of the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyUse {
    /// Does not read the body.
    #[default]
    Unused,
    /// Reads the whole body, which is buffered before the handler runs, up to the route's limit.
    Whole,
    /// Reads a form: an urlencoded form whole, a multipart form into its parts. Large files go to disk.
    Form,
    /// Takes a stream: in an async route while the body arrives, in routes of other kinds buffered before.
    Stream,
    /// Reads the body while it arrives, and blocks if the client is slow: only in pool, stream and thread
    /// routes.
    Read,
    /// Takes over the connection after the response, for another protocol: only in async routes.
    Connection,
}

impl BodyUse {
    /// Returns whether a handler may have both arguments. Only one may use the body, except that several may
    /// read a form.
    pub const fn is_compatible(self, other: BodyUse) -> bool {
        matches!((self, other), (BodyUse::Unused, _) | (_, BodyUse::Unused) | (BodyUse::Form, BodyUse::Form))
    }

    /// Returns whether a handler of this kind gets the body while it arrives.
    pub const fn is_early(self, kind: RouteType) -> bool {
        match self {
            BodyUse::Read => true,
            BodyUse::Stream => matches!(kind, RouteType::Async),
            BodyUse::Unused | BodyUse::Whole | BodyUse::Form | BodyUse::Connection => false,
        }
    }

    /// Returns whether reading blocks while the body arrives. A sync or async route must not block.
    pub const fn blocks(self) -> bool {
        matches!(self, BodyUse::Read)
    }

    /// Returns whether the handler takes over the connection.
    pub const fn takes_connection(self) -> bool {
        matches!(self, BodyUse::Connection)
    }

    /// Returns whether a route of this kind may use the body in this way.
    pub const fn suits(self, kind: RouteType) -> bool {
        match self {
            BodyUse::Connection => matches!(kind, RouteType::Async),
            _ => kind.may_block() || !self.blocks(),
        }
    }

    /// Returns the use of the body by a handler with both arguments.
    pub const fn and(self, other: BodyUse) -> BodyUse {
        match self {
            BodyUse::Unused => other,
            used => used,
        }
    }
}

/// What a handler reads from a request. A worker gets only that.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// How the body is used.
    pub body: BodyUse,
    /// Whether the body must have the media type of JSON.
    pub json: bool,
    /// Whether the query string is read.
    pub query: bool,
    /// Whether the client's address is read.
    pub peer: bool,
    /// Whether the request's id is read.
    pub id: bool,
    /// The values of the process that are read.
    pub states: Vec<NeededState>,
    /// The names of the types of [`Carried`](crate::Carried) values.
    pub carried: Vec<&'static str>,
    /// The names of the types of [`Extension`](crate::Extension)s.
    pub extensions: Vec<&'static str>,
    /// Hooks for the route, for an extractor that also changes the response. They run in the main process.
    pub after: Vec<After>,
    /// What the OpenAPI document says of the request.
    pub notes: Notes,
    headers: Vec<HeaderName>,
    all_headers: bool,
}

/// A value of the process that an extractor reads.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct NeededState {
    /// The value's type.
    pub id: TypeId,
    /// The name of the type, or what the value is.
    pub name: &'static str,
    /// How to provide the value, if `App::state` and `App::worker_state` are not the way.
    pub remedy: Option<&'static str>,
}

impl Needs {
    /// Returns the needs of a handler that takes the whole request, body included.
    pub fn whole_request() -> Needs {
        let mut needs = Needs { body: BodyUse::Whole, ..Needs::default() };
        needs.everything();
        needs
    }

    /// Adds everything except for the body.
    pub fn everything(&mut self) {
        self.query = true;
        self.peer = true;
        self.all_headers = true;
    }

    /// Adds one header.
    pub fn header(&mut self, name: HeaderName) {
        self.notes.header(name.clone());
        if !self.headers.contains(&name) {
            self.headers.push(name);
        }
    }

    /// Adds a [`State`](crate::State) of this type.
    pub fn state(&mut self, id: TypeId, name: &'static str) {
        self.states.push(NeededState { id, name, remedy: None });
    }

    /// Adds a value of the process that is not plain state. `remedy` says how to provide it.
    pub fn provided(&mut self, id: TypeId, name: &'static str, remedy: &'static str) {
        self.states.push(NeededState { id, name, remedy: Some(remedy) });
    }

    /// Adds what may be missing in the request, such as the needs of `T` for an `Option<T>`.
    pub fn optionally(&mut self, add: impl FnOnce(&mut Needs)) {
        let before = self.notes.set_optional(true);
        add(self);
        self.notes.set_optional(before);
    }

    /// Notes for the OpenAPI document how a request proves who sends it. The name is that of the scheme in the
    /// document.
    ///
    /// ```
    /// use pixie_core::{FromRequest, Needs, OrAbort, Request, Result, Security, header};
    /// struct User(String);
    ///
    /// impl FromRequest for User {
    ///     fn needs(needs: &mut Needs) {
    ///         needs.header(header::AUTHORIZATION);
    ///         needs.security("token", Security::InHeader("Authorization"));
    ///     }
    ///
    ///     fn from_request(request: &mut Request) -> Result<User> {
    ///         request.header(header::AUTHORIZATION).map(|token| User(token.to_owned())).or_abort(401)
    ///     }
    /// }
    /// ```
    pub fn security(&mut self, name: &'static str, scheme: Security) {
        self.notes.security(name, scheme);
    }

    /// Returns whether a carried value of the type with this name is read.
    pub fn reads_carried(&self, name: &str) -> bool {
        self.carried.contains(&name) || self.all_headers
    }

    /// Returns the names of the headers, or `None` if all headers are read.
    pub fn header_names(&self) -> Option<&[HeaderName]> {
        (!self.all_headers).then_some(&self.headers)
    }
}
