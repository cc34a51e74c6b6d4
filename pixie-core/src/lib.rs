//! Requests, responses, routes and extractors, without sockets, threads or a runtime.
#![forbid(unsafe_code)]

mod pattern;
mod router;

pub use pattern::{Pattern, PatternError};
pub use router::{Allowed, Found, Params, Place, RouteConflict, RouteEntry, Router, UrlError};
