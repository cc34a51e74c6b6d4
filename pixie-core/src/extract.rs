//! `FromRequest`: how a handler's argument is made from a request, and the extractors that need no body.
//!
//! Extraction is plain code on a request whose body, if the extractor asks for it, has been read before: so the same
//! extractor works inline, on a thread, on the runtime and in a worker process. Extractors that read the body are in
//! `payload.rs`.
pub(crate) mod carried;
#[cfg(feature = "garde")]
pub(crate) mod checked;
pub(crate) mod flash;
pub(crate) mod form;
pub(crate) mod payload;
#[cfg(feature = "sealed-cookies")]
pub(crate) mod sealed_cookies;
pub(crate) mod state;

use std::{any::TypeId, net::SocketAddr, ops::Deref, str::FromStr};

use http::{HeaderMap, HeaderName};
use serde::de::DeserializeOwned;

use crate::{After, Body, Rejection, RejectionKind, Request, RouteType};

/// Makes a handler's argument from a request.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a route's handler",
    label = "neither a `<wildcard>` of the path nor an extractor",
    note = "an argument is bound by its name to a `<name>` in the path, or its type is an extractor: `Query<T>`, `Form<T>`, `Upload`, `Json<T>`, `Headers`, `Cookies`, `Bytes`, `BodyReader`, `State<T>`, `Carried<T>`, `Extension<T>`, `Peer`, `Request`, `Option<T>` or `Result<T, Rejection>` of one of them",
    note = "to make `{Self}` an extractor, implement `FromRequest` for it"
)]
pub trait FromRequest: Sized {
    /// What this extractor does with the request's body. At most one argument of a handler may use it.
    const BODY: BodyUse = BodyUse::Unused;

    /// Notes what else of the request this extractor reads. Only that is sent to a worker, so the default notes everything.
    fn needs(needs: &mut Needs) {
        needs.everything();
    }

    /// Makes the value, or says why the request has none.
    fn from_request(request: &mut Request) -> Result<Self, Rejection>;

    /// Makes the value for the argument of this name, which matters only to extractors of one field, such as
    /// [`Upload`](crate::Upload).
    fn from_argument(request: &mut Request, _name: &str) -> Result<Self, Rejection> {
        Self::from_request(request)
    }
}

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
        !(self.blocks() && matches!(kind, RouteType::Sync | RouteType::Async))
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
    /// Adds what one argument's type needs, its use of the body included.
    pub fn extractor<T: FromRequest>(mut self) -> Needs {
        self.body = self.body.and(T::BODY);
        T::needs(&mut self);
        self
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

/// Makes the value of a `<wildcard>` from its text; whatever can be parsed from text can.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the value of a `<wildcard>` in a path",
    label = "has no `FromStr`",
    note = "a wildcard's type is one that parses from text: `String`, a number, `bool`, `uuid::Uuid`, or your own with `FromStr`"
)]
pub trait FromParam: Sized {
    /// Reads the decoded text, or returns nothing where it does not fit: the request is then answered with 404.
    fn from_param(text: &str) -> Option<Self>;
}

#[diagnostic::do_not_recommend]
impl<T: FromStr> FromParam for T {
    fn from_param(text: &str) -> Option<T> {
        text.parse().ok()
    }
}

/// The query string, read into a type of yours; a name that comes more than once is read into a `Vec`.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<T> Deref for Query<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned> FromRequest for Query<T> {
    fn needs(needs: &mut Needs) {
        needs.query = true;
    }

    fn from_request(request: &mut Request) -> Result<Self, Rejection> {
        let query = request.query().unwrap_or_default();
        form::read_pairs(query.as_bytes()).map(Query).map_err(|unfit| unfit.of_query(query))
    }
}

/// All headers of the request.
#[derive(Clone, Debug)]
pub struct Headers(pub HeaderMap);

impl Deref for Headers {
    type Target = HeaderMap;

    fn deref(&self) -> &HeaderMap {
        &self.0
    }
}

impl FromRequest for Headers {
    fn from_request(request: &mut Request) -> Result<Self, Rejection> {
        Ok(Headers(request.headers().clone()))
    }
}

/// The address of the client, or of the proxy in front.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

impl FromRequest for Peer {
    fn needs(needs: &mut Needs) {
        needs.peer = true;
    }

    fn from_request(request: &mut Request) -> Result<Self, Rejection> {
        let unknown = || Rejection::new(RejectionKind::Missing, "the client's address is not known");
        request.peer().map(Peer).ok_or_else(unknown)
    }
}

impl FromRequest for Request {
    const BODY: BodyUse = BodyUse::Whole;

    fn from_request(request: &mut Request) -> Result<Self, Rejection> {
        Ok(request.take())
    }
}

impl FromRequest for Body {
    const BODY: BodyUse = BodyUse::Stream;

    fn needs(_: &mut Needs) {}

    fn from_request(request: &mut Request) -> Result<Self, Rejection> {
        Ok(request.take_body())
    }
}

impl<T: FromRequest> FromRequest for Option<T> {
    const BODY: BodyUse = T::BODY;

    fn needs(needs: &mut Needs) {
        T::needs(needs);
    }

    fn from_request(request: &mut Request) -> Result<Self, Rejection> {
        unless_missing(T::from_request(request))
    }

    fn from_argument(request: &mut Request, name: &str) -> Result<Self, Rejection> {
        unless_missing(T::from_argument(request, name))
    }
}

impl<T: FromRequest> FromRequest for Result<T, Rejection> {
    const BODY: BodyUse = T::BODY;

    fn needs(needs: &mut Needs) {
        T::needs(needs);
    }

    fn from_request(request: &mut Request) -> Result<Self, Rejection> {
        Ok(T::from_request(request))
    }

    fn from_argument(request: &mut Request, name: &str) -> Result<Self, Rejection> {
        Ok(T::from_argument(request, name))
    }
}

fn unless_missing<T>(extracted: Result<T, Rejection>) -> Result<Option<T>, Rejection> {
    match extracted {
        Ok(value) => Ok(Some(value)),
        Err(rejection) if rejection.kind() == RejectionKind::Missing => Ok(None),
        Err(rejection) => Err(rejection),
    }
}
