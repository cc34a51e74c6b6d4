//! A pool of worker processes: bytes in, bytes out.
//!
//! A handler that runs in a worker may crash, hang, leak or be killed without this process noticing more than an error
//! for that one job. A deadline is a kill, a cancelled job is stopped, and overload is refused.
//!
//! What a pool does can be seen: [`Pool::snapshot`] shows its workers, one `tracing` event tells of each worker that died or was
//! killed and of each job that is slow. The feature `metrics` records by the facade of the crate `metrics` (install its recorder
//! before the pool is started); with `serde` a [`Snapshot`] can be serialized.
//!
//! ```no_run
//! use std::sync::Arc;
//! use pixie_pool::{Config, Handler, Job, Pool, Submission};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let handler: Handler = Arc::new(|job: Job| {
//!         let greeting = [b"hello ", job.head()].concat();
//!         let _ = job.reply(b"", &greeting);
//!     });
//!     if let Some(worker) = pixie_pool::worker() {
//!         worker.serve(0, handler);
//!     }
//!     let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
//!     runtime.block_on(async {
//!         let pool = Pool::start(Config::default(), handler).await?;
//!         let reply = pool.submit(Submission::new("world")).await?;
//!         println!("{:?}", reply.body.collect().await?);
//!         pool.stop(std::time::Duration::from_secs(1)).await;
//!         Ok(())
//!     })
//! }
//! ```

mod config;
mod error;
mod identity;
mod job;
mod platform;
mod pool;
mod protocol;
mod reply;
mod snapshot;
mod submission;
mod worker;

pub use crate::{
    config::Config,
    error::{Error, Exit, Failure, FailureKind},
    identity::{Identity, ProcessKind, identity, is_worker},
    job::{Cancellation, Handler, Job, JobBody, JobWriter},
    pool::Pool,
    reply::{Reply, ReplyBody, ReplyStream},
    snapshot::{Counts, Snapshot, WorkerSnapshot, WorkerState},
    submission::{Body, BodyStream, Submission},
    worker::{Worker, worker},
};
