//! `RouteType`: the five kinds of route.

use std::{fmt, str::FromStr};

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
    /// All kinds.
    pub const ALL: [RouteType; 5] =
        [RouteType::Sync, RouteType::Thread, RouteType::Async, RouteType::Pool, RouteType::Stream];

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

    /// Returns whether routes of this kind run in a worker process.
    pub const fn is_pooled(self) -> bool {
        matches!(self, RouteType::Pool | RouteType::Stream)
    }

    /// Returns whether handlers of this kind may block: a sync or an async handler would hold up other
    /// requests.
    pub const fn may_block(self) -> bool {
        !matches!(self, RouteType::Sync | RouteType::Async)
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
        let unknown = || format!("there is no kind of route `{word}`: use sync, thread, async, pool or stream");
        RouteType::ALL.into_iter().find(|kind| kind.as_str() == word).ok_or_else(unknown)
    }
}
