//! A web framework in which a route says where it runs: inline, on a blocking thread, on the async runtime, or in
//! another operating-system process.
//!
//! A handler in another process may crash, loop, leak memory or be killed while the server and all other requests
//! go on.
//!
//! ```no_run
//! use pixie_web::{Result, get, run};
//!
//! #[get("/", sync)] // inline, on the connection's thread
//! fn index() -> &'static str {
//!     "It works"
//! }
//!
//! #[get("/thumbnail/<width>", deadline = "2s")] // a plain fn runs in a worker process
//! fn thumbnail(width: u32) -> String {
//!     format!("{width} pixels, drawn by process {}", std::process::id())
//! }
//!
//! fn main() -> Result<()> {
//!     run()
//! }
//! ```
//!
//! | kind | where it runs | for |
//! |---|---|---|
//! | `sync` | on the connection's thread | handlers that take microseconds |
//! | `thread` | on a blocking thread | trusted code that blocks |
//! | `async` | on the async runtime (default for an `async fn`) | code that waits for network or timers |
//! | `pool` | in a worker process (default for a plain `fn`) | code that is slow or may crash |
//! | `stream` | in a worker process, which sends the body in pieces | long responses |
//!
//! # Where to read on
//!
//! The [`guide`] has a page for each task. [`get`], [`post`] and [`route`] describe the attributes, [`App`] the
//! app, [`FromRequest`] the arguments of handlers, [`IntoResponse`] their results, [`Pool`] and [`Sandbox`] the
//! workers, [`Error`] and [`abort`] the errors, [`TestClient`] the tests.
//!
//! # Features
//!
//! `sandbox` and `store` are on by default.
//!
//! | feature | adds |
//! |---|---|
//! | `template` | templates as values that handlers return (askama) |
//! | `garde` | `Checked<T>`: validated forms, with errors beside the fields |
//! | `sealed-cookies` | signed and encrypted cookies with key rotation |
//! | `sessions` | `Session`: values of one visitor between requests, in an encrypted cookie or in the store |
//! | `tls` | HTTPS and HTTP/2: certificates that are read anew when they change, a redirect, HSTS (rustls with aws-lc-rs) |
//! | `tls-ring` | the same with ring: builds faster, without a key exchange that resists quantum computers |
//! | `http2` | HTTP/2 without TLS |
//! | `http3` | HTTP/3, experimental |
//! | `websocket` | WebSockets in async routes |
//! | `basic-auth` | `BasicAuth`: the name and password that a browser asks for |
//! | `compression` | responses compressed with br, zstd or gzip |
//! | `cors` | `App::cors`: pages of other origins may read responses |
//! | `metrics` | `App::metrics("/metrics")` for Prometheus; other recorders through the crate `metrics` |
//! | `sandbox` | `Sandbox::no_network` and `Sandbox::strict` for workers, on Linux |
//! | `store` | `Store`: values, counters, topics and rate limits for all kinds of route, in memory |
//! | `store-file` | the store in a file (redb), which survives the program |
//! | `store-redis` | the store in Redis or Valkey, for several machines; with TLS: `store-redis-tls` or `store-redis-tls-ring` |
#![forbid(unsafe_code)]
// The guide has all pages with every set of features, so it may name what the features at hand leave out.
#![cfg_attr(
    not(all(
        feature = "basic-auth",
        feature = "compression",
        feature = "cors",
        feature = "garde",
        feature = "http3",
        feature = "metrics",
        feature = "sessions",
        feature = "store-redis",
        feature = "template",
        feature = "tls",
        feature = "websocket"
    )),
    allow(rustdoc::broken_intra_doc_links, rustdoc::private_intra_doc_links)
)]

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
/// The code of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

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
    late::Late,
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
pub use pixie_pool::{Config as PoolConfig, Pool, Sandbox, Share, Shared, StartMethod, share, shared};
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
