//! `Handler`: the code of a route, in the form that its kind runs.
//!
//! Closures are boxed here, so that all later code needs no type parameters. The attribute macro and the builder
//! [`RoutePath`](crate::RoutePath) both make these values.
use std::{fmt, future::Future, pin::Pin, str::FromStr, sync::Arc};

use crate::{Error, Request, Response, Writer};

/// A boxed future that may move between threads.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

type Call = Arc<dyn Fn(&mut Request) -> Response + Send + Sync>;
type AsyncCall = Arc<dyn Fn(Request) -> BoxFuture<Response> + Send + Sync>;
type StreamCall = Arc<dyn Fn(&mut Request, &mut Writer) -> Result<(), Error> + Send + Sync>;

/// Where a route runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RouteType {
    /// On the connection's own thread, at once: for handlers that never wait.
    Sync,
    /// On a blocking thread of the main process.
    Thread,
    /// On the async runtime.
    Async,
    /// In a worker process: the default.
    Pool,
    /// In a worker process, the body sent piece by piece.
    Stream,
}

impl RouteType {
    /// Returns the word that the attribute uses for this kind.
    pub fn as_str(self) -> &'static str {
        match self {
            RouteType::Sync => "sync",
            RouteType::Thread => "thread",
            RouteType::Async => "async",
            RouteType::Pool => "pool",
            RouteType::Stream => "stream",
        }
    }

    /// Says whether routes of this kind run in a worker process.
    pub fn is_pooled(self) -> bool {
        matches!(self, RouteType::Pool | RouteType::Stream)
    }
}

impl fmt::Display for RouteType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for RouteType {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let kinds = [RouteType::Sync, RouteType::Thread, RouteType::Async, RouteType::Pool, RouteType::Stream];
        let unknown = || format!("`{word}` is no kind of route: use sync, thread, async, pool or stream");
        kinds.into_iter().find(|kind| kind.as_str() == word).ok_or_else(unknown)
    }
}

/// The code of a route, with the kind that says where it runs.
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
