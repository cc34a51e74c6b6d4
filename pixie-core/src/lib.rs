//! Requests, responses, routes, extractors and errors of the pixie web framework.
//!
//! Everything here takes values and returns values: no socket, clock, thread, process, runtime or environment. That makes
//! it usable alone, under hyper or in a worker process, and testable without waiting. Composition (an app that listens and
//! dispatches) is the crate `pixie-web`.
#![forbid(unsafe_code)]

mod body;
mod cookies;
mod error;
mod error_page;
mod extract;
mod handler;
mod into_response;
mod negotiate;
mod pattern;
mod payload;
mod rejection;
mod request;
mod response;
mod route;
mod router;
mod state;
mod writer;

pub use body::{Body, BoxError};
pub use cookies::Cookies;
pub use error::{Error, ErrorView, Excerpt, OrAbort, Result, abort};
pub use extract::{BodyUse, FromParam, FromRequest, Headers, Needs, Peer, Query};
pub use handler::{BoxFuture, Handler, RouteType};
pub use into_response::{Html, IntoResponse, Redirect};
pub use negotiate::Media;
pub use pattern::{Pattern, PatternError};
pub use payload::{Form, Json};
pub use rejection::{Rejection, RejectionKind};
pub use request::{Pairs, Request};
pub use response::{HeaderPair, Response};
pub use route::{Place, Route, RoutePath};
pub use router::{Allowed, Found, Params, RouteConflict, RouteEntry, Router, UrlError};
pub use state::{State, StateMap};
pub use writer::{IntoPieces, PieceSink, Pieces, Writer};

pub use bytes::Bytes;
pub use cookie::Cookie;
pub use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header};
