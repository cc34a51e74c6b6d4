//! `pixie-web`: the app, its requests, its worker pools and its server. The README follows, then the `guide`.
//!
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

// In reading order; each uses only those below it.
mod testing;
mod run;
mod app;
mod dev;
mod request;
mod jobs;
pub mod files;
mod table;
mod error;
mod sse;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(any(doc, doctest))]
pub mod guide;

pub use app::App;
pub use app::group::Group;
pub use error::StartError;
pub use files::{Folder, cached_file, static_file};
pub use pixie_core::*;
pub use pixie_macros::{delete, get, patch, post, put, route};
pub use pixie_pool::{
    ByteSize, Config as PoolConfig, Counts, MemoryLimit, Pool, Sandbox, SandboxLevel, Size, Snapshot, WorkerSnapshot,
    WorkerState,
};
pub use pixie_server::{Config as ServerConfig, Shutdown};
pub use request::service::{AppFuture, AppService, HttpRequest, HttpResponse, Layered};
pub use run::proc_env::{ProcEnv, ProcessType, proc_env};
pub use run::run;
pub use sse::Sse;
pub use table::pools::Pools;
pub use table::time_limit::TimeLimit;
pub use table::urls::Urls;
pub use testing::{TestClient, TestRequest, TestResponse};

#[cfg(feature = "template")]
pub use pixie_template::{self as template, web::template};

/// Used by the code that the attributes generate. Not public API.
#[doc(hidden)]
pub mod __macro {
    pub use crate::{app::registry::Registered, testing::work_if_asked};
    pub use inventory;
    pub use pixie_core::*;
}
