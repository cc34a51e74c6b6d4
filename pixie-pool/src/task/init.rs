//! Starting: how a program becomes a worker for tasks, and how it starts a pool of such workers.
//!
//! Owns the check that `init` was called in the right place. Invariant: if the workers of a program could not
//! work, the start fails before the first worker, with a message that says what to write.

use std::sync::OnceLock;

use crate::{
    config::Config,
    error::Error,
    pool::Pool,
    task::{call, entry::table},
    worker,
};

/// The variable that a worker for tasks has. Other workers pass `init` and reach `worker()` later in `main`.
const SERVES_TASKS: &str = "PIXIE_TASKS_WORKER";

/// Whether `init` was called inside of a tokio runtime; empty if it was not called.
static INIT: OnceLock<bool> = OnceLock::new();

const REMEDY: &str =
    "write `fn main() { pixie_pool::init(); run() }`, and put `#[tokio::main]` above `async fn run()` instead";

/// Turns this process into a worker if a pool of tasks has started it. Call this first in `main`.
///
/// A worker is this program, started again: it calls `init`, serves tasks until its pool ends it, and never
/// returns from here. Code before `init` also runs in every worker. In workers of other pools
/// ([`worker`](crate::worker()), or those of a web app), `init` returns.
///
/// # Under `#[tokio::main]`
///
/// This attribute starts a runtime, with its threads, before the first statement of `main`, also in every
/// worker. Such a worker runs tasks, but starts later, keeps inherited descriptors open, and cannot be
/// sandboxed. So keep `main` plain:
///
/// ```no_run
/// fn main() -> Result<(), pixie_pool::Error> {
///     pixie_pool::init();
///     run()
/// }
///
/// #[tokio::main]
/// async fn run() -> Result<(), pixie_pool::Error> {
///     // the program
///     Ok(())
/// }
/// ```
pub fn init() {
    init_with(|| {});
}

/// Does the same as [`init`], and before the first job runs `preload`, in each process that the pool executes:
/// in a worker, or in a fork server ([`StartMethod::Fork`](crate::StartMethod::Fork)) before it forks.
pub fn init_with(preload: impl FnOnce()) {
    let _ = INIT.set(tokio::runtime::Handle::try_current().is_ok());
    if std::env::var_os(SERVES_TASKS).is_none() {
        return;
    }
    let Some(worker) = worker::worker() else { return };
    preload();
    match table() {
        Ok(table) => worker.serve(table.hash, call::handler(table)),
        Err(why) => worker::give_up(&why),
    }
}

impl Config {
    /// Starts a pool whose workers run every [`#[task]`](macro@crate::task); returns when the first one is
    /// ready.
    ///
    /// Needs a running tokio runtime with time and I/O, and [`init`] first in `main`. With the size 0, tasks
    /// run on threads of this process, and `init` is not needed. With [`Config::args`], the call of `init` is
    /// not checked, because the workers of such a program, for example of a test, may call it elsewhere.
    pub async fn start_tasks(mut self) -> Result<Pool, Error> {
        // The size decides whether there are worker processes, which need `init`.
        self.override_by_environment().map_err(Error::Start)?;
        let table = table().map_err(Error::Start)?;
        if self.size.max > 0 && self.args.is_none() {
            check_init()?;
        }
        let config = self.table_hash(table.hash).env(SERVES_TASKS, "1");
        config.start(call::handler(table)).await
    }
}

fn check_init() -> Result<(), Error> {
    match INIT.get() {
        Some(false) => Ok(()),
        Some(true) => {
            tracing::warn!(
                "pixie_pool::init() was called inside of a tokio runtime, as under `#[tokio::main]`, so each worker starts a \
                 runtime first and cannot be sandboxed: {REMEDY}"
            );
            Ok(())
        }
        None => Err(Error::Start(format!(
            "pixie_pool::init() has not been called. A worker is this program, started again, and needs this call to become a \
             worker: make it the first statement of a plain `main`: {REMEDY}"
        ))),
    }
}
