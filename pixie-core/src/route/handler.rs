//! `Handler`: the code of a route, in the form that its kind runs.
//!
//! Closures are boxed here, so that all later code needs no type parameters. The attribute macro and the
//! builder [`RoutePath`](crate::RoutePath) both make these values.
use std::{fmt, future::Future, pin::Pin, sync::Arc};

use pixie_grammar::RouteType;

use crate::{Error, Request, Response, Writer};

/// A boxed future that may move between threads.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

type Call = Arc<dyn Fn(&mut Request) -> Response + Send + Sync>;
type AsyncCall = Arc<dyn Fn(Request) -> BoxFuture<Response> + Send + Sync>;
type StreamCall = Arc<dyn Fn(&mut Request, &mut Writer) -> Result<(), Error> + Send + Sync>;

/// The code of a route, with the kind that says where it runs.
///
/// A match needs an arm for each kind, so that a program which runs routes cannot forget one.
#[derive(Clone)]
pub enum Handler {
    /// Runs on the connection's thread.
    Sync(Call),
    /// Runs on a blocking thread.
    Thread(Call),
    /// Runs on the async runtime.
    Async(AsyncCall),
    /// Runs in a worker process.
    Pool(Call),
    /// Runs in a worker process and writes its body piece by piece.
    Stream(StreamCall),
}

impl Handler {
    /// Returns the kind of this handler.
    pub fn kind(&self) -> RouteType {
        match self {
            Handler::Sync(_) => RouteType::Sync,
            Handler::Thread(_) => RouteType::Thread,
            Handler::Async(_) => RouteType::Async,
            Handler::Pool(_) => RouteType::Pool,
            Handler::Stream(_) => RouteType::Stream,
        }
    }
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handler({})", self.kind())
    }
}
