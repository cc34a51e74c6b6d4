//! `Needs`: what of a request a route's handler reads, gathered from its arguments when the route is registered.

use std::any::TypeId;

use http::HeaderName;

use crate::{After, RouteType};

/// What an extractor does with the request's body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyUse {
    /// Leaves it alone.
    #[default]
    Unused,
    /// Reads it whole: it is buffered, up to the route's limit, before the handler runs.
    Whole,
    /// Reads it as a form: an urlencoded one whole, a multipart one into its parts, whose large files go to disk.
    Form,
    /// Takes it as a stream: while it still arrives in an async route, buffered before in the other kinds.
    Stream,
    /// Reads it while it arrives and blocks where the client is slow: in pool, stream and thread routes only.
    Read,
}

impl BodyUse {
    /// Says whether two arguments may stand side by side: only one of them may use the body, but fields and files of a
    /// form are read beside each other.
    pub const fn is_compatible(self, other: BodyUse) -> bool {
        matches!((self, other), (BodyUse::Unused, _) | (_, BodyUse::Unused) | (BodyUse::Form, BodyUse::Form))
    }

    /// Says whether a handler of this kind gets the body while it still arrives.
    pub const fn is_early(self, kind: RouteType) -> bool {
        match self {
            BodyUse::Read => true,
            BodyUse::Stream => matches!(kind, RouteType::Async),
            BodyUse::Unused | BodyUse::Whole | BodyUse::Form => false,
        }
    }

    /// Says whether it blocks while the body arrives, which a sync or an async route must not.
    pub const fn blocks(self) -> bool {
        matches!(self, BodyUse::Read)
    }

    /// Says whether a route of this kind may use the body so.
    pub const fn suits(self, kind: RouteType) -> bool {
        kind.may_block() || !self.blocks()
    }

    /// Returns the use of a handler that has both arguments.
    pub const fn and(self, other: BodyUse) -> BodyUse {
        match self {
            BodyUse::Unused => other,
            used => used,
        }
    }
}

/// What a route's extractors read, gathered when the route is registered.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// What becomes of the body.
    pub body: BodyUse,
    /// Whether the query string is read.
    pub query: bool,
    /// Whether the client's address is read.
    pub peer: bool,
    /// Whether the request's id is read.
    pub id: bool,
    headers: HeaderNeeds,
    states: Vec<NeededState>,
    carried: Vec<&'static str>,
    extensions: Vec<&'static str>,
    after: Vec<After>,
}

/// A value of the process that an extractor reads.
#[derive(Clone, Copy, Debug)]
pub struct NeededState {
    /// The value's type.
    pub id: TypeId,
    /// The name of the type, or of what it is.
    pub name: &'static str,
    /// How to provide it, where it is not put in like any other value.
    pub remedy: Option<&'static str>,
}

#[derive(Clone, Debug)]
enum HeaderNeeds {
    Some(Vec<HeaderName>),
    All,
}

impl Default for HeaderNeeds {
    fn default() -> Self {
        HeaderNeeds::Some(Vec::new())
    }
}

impl Needs {
    /// Returns the needs of a handler that takes the whole request, body included.
    pub fn whole_request() -> Needs {
        let mut needs = Needs { body: BodyUse::Whole, ..Needs::default() };
        needs.everything();
        needs
    }

    /// Notes that everything but the body is read.
    pub fn everything(&mut self) {
        self.query = true;
        self.peer = true;
        self.headers = HeaderNeeds::All;
    }

    /// Notes that one header is read.
    pub fn header(&mut self, name: HeaderName) {
        if let HeaderNeeds::Some(names) = &mut self.headers
            && !names.contains(&name)
        {
            names.push(name);
        }
    }

    /// Notes that a [`State`](crate::State) of this type is read.
    pub fn state(&mut self, id: TypeId, name: &'static str) {
        self.states.push(NeededState { id, name, remedy: None });
    }

    /// Notes that a value is read which the app provides in a way of its own, and how.
    pub fn provided(&mut self, id: TypeId, name: &'static str, remedy: &'static str) {
        self.states.push(NeededState { id, name, remedy: Some(remedy) });
    }

    /// Notes that a [`Carried`](crate::Carried) value of the type with this name is read.
    pub fn carried(&mut self, name: &'static str) {
        self.carried.push(name);
    }

    /// Notes that an [`Extension`](crate::Extension) of the type with this name is read.
    pub fn extension(&mut self, name: &'static str) {
        self.extensions.push(name);
    }

    /// Adds a hook that sees the route's responses, in the main process: for an extractor that leaves a mark on them.
    pub fn after(&mut self, hook: After) {
        self.after.push(hook);
    }

    /// Says whether a carried value of the type with this name is read.
    pub fn reads_carried(&self, name: &str) -> bool {
        self.carried.contains(&name) || matches!(self.headers, HeaderNeeds::All)
    }

    /// Returns the names of the types of extensions that are read.
    pub fn extensions(&self) -> &[&'static str] {
        &self.extensions
    }

    /// Returns the hooks that extractors have added.
    pub fn after_hooks(&self) -> &[After] {
        &self.after
    }

    /// Returns the headers that are read, or nothing where all are.
    pub fn header_names(&self) -> Option<&[HeaderName]> {
        match &self.headers {
            HeaderNeeds::Some(names) => Some(names),
            HeaderNeeds::All => None,
        }
    }

    /// Goes through the values of the process that are read.
    pub fn states(&self) -> impl Iterator<Item = NeededState> {
        self.states.iter().copied()
    }
}
