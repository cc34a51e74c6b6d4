//! Requests, responses, routes, extractors and errors of the pixie web framework.
//!
//! The crate takes values and returns values. It uses no socket, clock, thread, process, runtime or
//! environment. So it works alone, with hyper or in a worker process, and tests need not wait. The crate
//! `pixie-web` builds an app with it.
//!
//! Each folder uses only the folders before it: [`Error`], then `form` (forms as bytes),
//! `http` (requests and responses), `notes` (for an OpenAPI document), `answer` (what becomes a response), `route` (routes and their router),
//! and `extract` (arguments of handlers).
#![forbid(unsafe_code)]

mod answer;
mod error;
mod extract;
mod form;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod notes;
mod route;

pub use error::{BoxError, Error, IntoError, OrAbort, Result, abort};

pub use self::http::{
    body::Body,
    body_reader::{BodyReader, PieceSource},
    cookies::Cookies,
    origin::{Origin, Scheme},
    params::{FromParam, Params},
    plumbing::StateMap,
    request::{Request, RequestView},
    request_id::RequestId,
    response::Response,
    trace_context::TraceContext,
};

pub use form::{
    Pairs,
    form_reader::{FormLimits, Parts},
    upload::{Upload, UploadReader},
};

pub use notes::{Notes, Security};

pub use answer::{
    conditional::Validators,
    error_page::{ErrorView, Excerpt, NearbyRoute},
    etag::ETag,
    event::Event,
    into_response::{Created, Html, IntoResponse, NoContent, Redirect},
    negotiate::{Media, preferred_encoding},
    range::Extent,
    streamed::Streamed,
    writer::{IntoPieces, PieceSink, Pieces, Writer},
};

pub use route::{
    Route, RouteOptions, RoutePath,
    handler::{BoxFuture, Handler},
    hooks::{After, AsyncHook, Before, EarlyAnswer, Hooks, LentFuture, boxed_hook},
    layers::{HttpRequest, HttpResponse, LayerFailure, Layered, LayeredFuture, Layers, RouteLayer},
    needs::{BodyUse, NeededState, Needs},
    pattern::Pattern,
    router::{Found, Place, RouteConflict, RouteEntry, Router, UrlError},
};

#[cfg(feature = "basic-auth")]
pub use extract::auth::BasicAuth;
#[cfg(feature = "garde")]
pub use extract::checked::Checked;
#[cfg(feature = "sealed-cookies")]
pub use extract::sealed_cookies::{CookieKeys, PrivateCookies, SignedCookies};
#[cfg(feature = "sessions")]
pub use extract::session::Session;
pub use extract::{
    FromRequest,
    auth::Bearer,
    body::Json,
    carried::{Carried, Extension},
    flash::Flash,
    form::{Form, FormView},
    head::{Headers, LastEventId, Peer, Query},
    state::State,
    upload::Uploads,
};

/// What an OpenAPI document is made from: for `pixie-web`, not for apps. It may change in any release.
#[cfg(feature = "openapi")]
#[doc(hidden)]
pub mod openapi {
    pub use crate::{
        notes::kept::{Input, Output, Part, SchemaOf, TypeSchema, type_schema},
        route::probe::{ElseAnswer, ElseSchema, OfAnswer, OfSchema, Probe},
    };
}

/// What a server needs to feed requests to handlers: for `pixie-web`, not for apps. It may change in any
/// release.
#[doc(hidden)]
pub mod plumbing {
    #[cfg(feature = "sessions")]
    pub use crate::extract::session::{SessionChanges, SessionLimit, SessionValues};
    pub use crate::{
        form::{
            form_reader::{FormReader, FormStep},
            part_head::PartHead,
            upload::SpooledFile,
        },
        http::plumbing::Plumbing,
    };
}

pub use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header};
pub use bytes::Bytes;
pub use cookie::Cookie;
pub use pixie_grammar::{ByteSize, PatternError, RouteOption, RouteType};
