//! Pixie: a web framework in which a route says where it runs.
#![forbid(unsafe_code)]

mod app;
mod banner;
mod compose;
mod dev;
mod dispatch;
mod dump;
mod excerpt;
mod intake;
mod jobs;
mod log;
mod notify;
mod outcome;
mod panics;
mod proc_env;
mod registry;
mod run;
mod service;
mod settings;
mod testing;
mod urls;
mod wire;
mod worker;

pub use app::App;
pub use pixie_core::*;
pub use pixie_macros::{delete, get, patch, post, put, route};
pub use pixie_server::Shutdown;
pub use proc_env::{ProcEnv, ProcessType, proc_env};
pub use run::run;
pub use service::{AppFuture, AppService, HttpRequest, HttpResponse, Layered};
pub use testing::{TestClient, TestRequest, TestResponse};
pub use urls::Urls;

/// What the attributes' code refers to; not for use by hand.
#[doc(hidden)]
pub mod __macro {
    pub use crate::{registry::Registered, testing::work_if_asked};
    pub use inventory;
    pub use pixie_core::*;
}
