//! Requests, responses, routes, extractors and errors of the pixie web framework.
//!
//! Everything here takes values and returns values: no socket, clock, thread, process, runtime or environment. That makes
//! it usable alone, under hyper or in a worker process, and testable without waiting. Composition (an app that listens and
//! dispatches) is the crate `pixie-web`.
#![forbid(unsafe_code)]

mod body;
mod body_reader;
mod byteranges;
mod carried;
#[cfg(feature = "garde")]
mod checked;
mod conditional;
mod cookies;
mod disposition;
mod error;
mod error_page;
mod etag;
mod event;
mod extract;
mod file_name;
mod flash;
mod form;
mod form_reader;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod handler;
mod hooks;
mod into_response;
mod multipart;
mod negotiate;
mod part_head;
mod pattern;
mod payload;
mod quality;
mod range;
mod rejection;
mod request;
mod response;
mod route;
mod router;
#[cfg(feature = "sealed-cookies")]
mod sealed_cookies;
mod state;
mod streamed;
mod upload;
mod writer;

pub use body::{Body, BoxError};
pub use body_reader::{BodyReader, PieceSource};
pub use byteranges::{PartialBody, RangePiece};
pub use carried::{Carried, Extension};
#[cfg(feature = "garde")]
pub use checked::Checked;
pub use conditional::{Precondition, Validators};
pub use cookies::Cookies;
pub use disposition::Disposition;
pub use error::{Error, ErrorView, Excerpt, OrAbort, Result, abort};
pub use etag::ETag;
pub use event::{Event, LastEventId, SseWriter};
pub use extract::{BodyUse, FromParam, FromRequest, Headers, NeededState, Needs, Peer, Query};
pub use flash::Flash;
pub use form::{Form, FormView};
pub use form_reader::{FormLimits, FormReader, FormStep, Parts};
pub use handler::{BoxFuture, Handler, RouteType};
pub use hooks::{After, Before, EarlyAnswer, Hooks, LentFuture, RequestView};
pub use into_response::{Html, IntoResponse, Redirect};
pub use multipart::{Multipart, MultipartEvent};
pub use negotiate::{Media, preferred_encoding, preferred_language, preferred_media};
pub use part_head::PartHead;
pub use pattern::{Pattern, PatternError};
pub use payload::Json;
pub use range::Extent;
pub use rejection::{Rejection, RejectionKind};
pub use request::{Pairs, Request};
pub use response::{HeaderPair, Response};
pub use route::{Place, Route, RoutePath};
pub use router::{Allowed, Found, Params, RouteConflict, RouteEntry, Router, UrlError};
#[cfg(feature = "sealed-cookies")]
pub use sealed_cookies::{CookieKeys, PrivateCookies, SignedCookies};
pub use state::{State, StateMap};
pub use streamed::Streamed;
pub use upload::{SpooledFile, Upload, UploadReader, Uploads};
pub use writer::{IntoPieces, PieceSink, Pieces, Writer};

pub use bytes::Bytes;
pub use cookie::Cookie;
pub use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header};
