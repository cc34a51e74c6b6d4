//! Requests, responses, routes, extractors and errors of the pixie web framework.
//!
//! Everything here takes values and returns values: no socket, clock, thread, process, runtime or environment. That makes
//! it usable alone, under hyper or in a worker process, and testable without waiting. Composition (an app that listens and
//! dispatches) is the crate `pixie-web`.
#![forbid(unsafe_code)]

mod answer;
mod error;
mod extract;
mod form;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod rejection;
mod route;

pub use error::{Error, ErrorView, Excerpt, OrAbort, Result, abort};
pub use rejection::{Rejection, RejectionKind};

pub use self::http::{
    body::{Body, BoxError},
    body_reader::{BodyReader, PieceSource},
    cookies::Cookies,
    params::Params,
    request::{Pairs, Request},
    request_id::RequestId,
    response::{HeaderPair, Response},
};

pub use form::{
    form_reader::{FormLimits, FormReader, FormStep, Parts},
    multipart::{Multipart, MultipartEvent},
    part_head::PartHead,
    upload::{SpooledFile, Upload, UploadReader, Uploads},
};

pub use answer::{
    byteranges::{PartialBody, RangePiece},
    conditional::{Precondition, Validators},
    disposition::Disposition,
    etag::ETag,
    event::{Event, LastEventId, SseWriter},
    into_response::{Html, IntoResponse, Redirect},
    negotiate::{Media, preferred_encoding, preferred_language, preferred_media},
    range::Extent,
    streamed::Streamed,
    writer::{IntoPieces, PieceSink, Pieces, Writer},
};

pub use route::{
    Place, Route, RoutePath,
    handler::{BoxFuture, Handler, RouteType},
    hooks::{After, Before, EarlyAnswer, Hooks, LentFuture, RequestView},
    pattern::{Pattern, PatternError},
    router::{Allowed, Found, RouteConflict, RouteEntry, Router, UrlError},
};

#[cfg(feature = "garde")]
pub use extract::checked::Checked;
#[cfg(feature = "sealed-cookies")]
pub use extract::sealed_cookies::{CookieKeys, PrivateCookies, SignedCookies};
pub use extract::{
    BodyUse, FromParam, FromRequest, Headers, NeededState, Needs, Peer, Query,
    carried::{Carried, Extension},
    flash::Flash,
    form::{Form, FormView},
    payload::Json,
    state::{State, StateMap},
};

pub use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header};
pub use bytes::Bytes;
pub use cookie::Cookie;
