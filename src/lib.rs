//! `pixie-web`: the app, its requests, its worker pools and its server. The README follows, then the `guide`.
//!
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

// In reading order. `tests/architecture.rs` has the order in which they use each other.
mod app;
mod run;
mod request;
mod jobs;
mod table;
mod config;
#[cfg(feature = "openapi")]
mod openapi;
#[cfg(not(feature = "openapi"))]
#[path = "no_openapi.rs"]
mod openapi;
pub mod files;
mod dev;
mod testing;
mod sse;
#[cfg(feature = "websocket")]
pub mod websocket;
mod error;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(any(doc, doctest))]
pub mod guide;

#[cfg(feature = "cors")]
pub use app::cors::Cors;
pub use app::{App, group::Group};
pub use error::StartError;
pub use files::{Folder, cached_file, static_file};
pub use run::{
    proc_env::{ProcEnv, ProcessType, proc_env},
    run,
};
pub use sse::Sse;
#[cfg(feature = "openapi")]
pub use table::openapi::OpenApi;
#[cfg(feature = "sessions")]
pub use table::settings::Sessions;
pub use table::{
    after_response::AfterResponse,
    lifecycle::AppHandle,
    pools::Pools,
    proxies::ProxyHeaders,
    settings::{AccessLog, LogFormat},
    time_limit::TimeLimit,
    urls::Urls,
};
#[cfg(feature = "websocket")]
pub use testing::TestSocket;
pub use testing::{TestClient, TestRequest, TestResponse};
#[cfg(feature = "websocket")]
pub use websocket::WebSocket;

/// The whole crate `pixie-core`: of its names, those that most apps need stand here as well.
pub use pixie_core as core;
#[cfg(feature = "basic-auth")]
pub use pixie_core::BasicAuth;
#[cfg(feature = "garde")]
pub use pixie_core::Checked;
#[cfg(feature = "sessions")]
pub use pixie_core::Session;
pub use pixie_core::{
    Bearer, Body, BodyReader, ByteSize, Bytes, Carried, Cookie, Cookies, Created, Error, ErrorView, Event, Extension,
    Flash, Form, FormLimits, FormView, FromRequest, HeaderValue, Headers, Html, IntoResponse, Json, LastEventId,
    Method, Needs, NoContent, Notes, OrAbort, Origin, Peer, Pieces, Query, Redirect, Request, RequestId, RequestView,
    Response, Result, Route, RouteType, Scheme, Security, State, StatusCode, Streamed, TraceContext, Upload, Uploads,
    Writer, abort, header,
};
#[cfg(feature = "sealed-cookies")]
pub use pixie_core::{PrivateCookies, SignedCookies};
pub use pixie_macros::{delete, extractor, get, patch, post, put, route};
pub use pixie_pool::{Config as PoolConfig, Pool, Sandbox};
#[cfg(any(feature = "tls", feature = "tls-ring"))]
pub use pixie_server::Tls;
pub use pixie_server::{Config as ServerConfig, Listen, Shutdown, TlsSession};
#[cfg(feature = "template")]
pub use pixie_template::{self as template, web::template};
#[cfg(feature = "store")]
pub use {
    pixie_store::{self as store, Store},
    table::rates::Limit,
};

/// What [`Pools::snapshots`] and the status page show, the levels of a [`Sandbox`], and the sizes of a
/// [`Pool`].
pub mod pool {
    pub use pixie_pool::{Counts, MemoryLimit, SandboxLevel, Size, Snapshot, WorkerSnapshot, WorkerState};
}

/// An app as a `tower::Service`, and the types that layers see.
pub mod service {
    pub use crate::request::service::{AppFuture, AppService};
    pub use pixie_core::{HttpRequest, HttpResponse, Layered, LayeredFuture, RouteLayer};
}

/// Used by the code that the attributes generate. Not public API.
#[doc(hidden)]
pub mod __macro {
    pub use crate::{app::routes::Registered, testing::work_if_asked};
    pub use inventory;
    #[cfg(feature = "openapi")]
    pub use pixie_core::openapi;
    pub use pixie_core::{
        BodyUse, BoxFuture, Error, FromRequest, Handler, IntoError, IntoPieces, IntoResponse, Method, Needs, Pieces,
        Place, Request, Response, RoutePath, Writer,
    };
}
