//! `pixie-web`: the app, its requests, its worker pools and its server. The README follows, then the `guide`.
//!
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod app;
mod arriving;
mod banner;
mod block_on;
mod coding;
mod compose;
#[cfg(feature = "compression")]
mod compress;
mod csrf;
mod dev;
mod dispatch;
mod dump;
mod excerpt;
pub mod files;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod group;
#[cfg(any(doc, doctest))]
pub mod guide;
mod hooks;
mod host;
mod intake;
mod jobs;
#[cfg(feature = "sealed-cookies")]
mod keys;
#[cfg(not(feature = "sealed-cookies"))]
#[path = "keys/absent.rs"]
mod keys;
mod log;
#[cfg(feature = "metrics")]
mod meter;
#[cfg(not(feature = "metrics"))]
#[path = "meter/absent.rs"]
mod meter;
mod notify;
mod operators;
mod outcome;
mod panics;
mod pools;
mod proc_env;
mod registry;
mod reported;
mod request_ids;
mod run;
mod service;
mod settings;
mod spool;
mod sse;
mod status;
mod streamed;
mod testing;
mod time_limit;
mod urls;
mod wire;
mod worker;

pub use app::App;
pub use files::{Folder, cached_file, static_file};
pub use group::Group;
pub use pixie_core::*;
pub use pixie_macros::{delete, get, patch, post, put, route};
pub use pixie_pool::{
    ByteSize, Config as PoolConfig, Counts, MemoryLimit, Pool, Sandbox, SandboxLevel, Size, Snapshot, WorkerSnapshot,
    WorkerState,
};
pub use pixie_server::{Config as ServerConfig, Shutdown};
pub use pools::Pools;
pub use proc_env::{ProcEnv, ProcessType, proc_env};
pub use run::run;
pub use service::{AppFuture, AppService, HttpRequest, HttpResponse, Layered};
pub use sse::Sse;
pub use testing::{TestClient, TestRequest, TestResponse};
pub use time_limit::TimeLimit;
pub use urls::Urls;

#[cfg(feature = "template")]
pub use pixie_template::{self as template, web::template};

/// Used by the code that the attributes generate. Not public API.
#[doc(hidden)]
pub mod __macro {
    pub use crate::{registry::Registered, testing::work_if_asked};
    pub use inventory;
    pub use pixie_core::*;
}
