//! A pool of worker processes: functions that may crash, or bytes in and bytes out.
//!
// Some settings tell what they mean for tasks.
#![cfg_attr(not(feature = "tasks"), allow(rustdoc::broken_intra_doc_links))]
#![cfg_attr(feature = "tasks", doc = include_str!("../README.md"))]

mod config;
mod error;
mod fork;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod identity;
mod job;
mod platform;
mod pool;
mod protocol;
mod reply;
mod sandbox;
mod share;
mod snapshot;
mod submission;
#[cfg(feature = "store")]
pub use pixie_store::Access;
#[cfg(feature = "tasks")]
mod task;
mod worker;

#[doc(hidden)]
pub use crate::worker::discard;
pub use crate::{
    config::{ByteSize, Calls, Config, Preload, Settings, Size, StartMethod},
    error::{Error, Exit, Failure},
    identity::{Identity, identity, is_worker},
    job::{Caller, Cancellation, Handler, Job, JobBody, JobWriter, TimeLimit},
    pool::Pool,
    reply::{Reply, ReplyBody, ReplyStream},
    sandbox::{Sandbox, SandboxLevel},
    share::{Share, Shared, share, shared},
    snapshot::{Counts, MemoryLimit, Snapshot, WorkerSnapshot, WorkerState},
    submission::{Body, BodyStream, Submission},
    worker::{Worker, worker},
};

/// What a server of pixie-web needs to start its program again; not a public interface.
#[doc(hidden)]
pub mod __restart {
    pub use crate::platform::{ignores_hangup, loader_arguments, pass_descriptors};
}

/// For tests of this crate; not a public interface.
#[doc(hidden)]
pub use crate::worker::before_claim;

#[cfg(feature = "tasks")]
pub use crate::task::{Task, extend, init, init_with, is_canceled, remaining};

/// Makes a function a task: `pool.call(function, &arguments).await` runs it in a worker process.
///
/// ```no_run
/// #[pixie_pool::task(deadline = "2s", idempotent)]
/// fn shorten(text: String, length: usize) -> Result<String, std::fmt::Error> {
///     text.get(..length).map(str::to_owned).ok_or(std::fmt::Error)
/// }
///
/// # async fn caller(pool: pixie_pool::Pool) -> Result<(), pixie_pool::Error> {
/// let short = pool.call(shorten, &("a long story".to_owned(), 6)).await?;
/// # Ok(()) }
/// ```
///
/// Workers need `pixie_pool::init()` as the first statement of a plain `fn main`. Under `#[tokio::main]`,
/// each worker would start a runtime before `init` takes over the process:
///
/// ```no_run
/// fn main() {
///     pixie_pool::init();
///     run()
/// }
///
/// #[tokio::main]
/// async fn run() {
///     // the program
/// }
/// ```
#[cfg(feature = "tasks")]
pub use pixie_pool_macros::task;

/// Used by the code that the attribute `task` generates; not a public interface.
#[cfg(feature = "tasks")]
#[doc(hidden)]
pub mod __task {
    pub use crate::task::{Entry, Fallible, Registered, run};
    pub use inventory;
}
