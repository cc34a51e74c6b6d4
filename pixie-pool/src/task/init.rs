//! Starting: how a program becomes a worker of tasks, and how it starts a pool of them.
//!
//! Owns the check that `init` ran where it should. Rule: a program whose workers could not work says so before the first of
//! them is started, with the lines that help.

use std::sync::OnceLock;

use crate::{
    config::Config,
    error::Error,
    pool::Pool,
    task::{serve, table::table},
    worker,
};

/// The variable that tells a worker of tasks from one of a handler of its own, which `init` leaves to `worker()` further down.
const SERVES_TASKS: &str = "PIXIE_TASKS_WORKER";

/// Where `init` was called.
static INIT: OnceLock<Place> = OnceLock::new();

const REMEDY: &str =
    "write `fn main() { pixie_pool::init(); run() }`, and put `#[tokio::main]` above `async fn run()` instead";

#[derive(Clone, Copy, PartialEq)]
enum Place {
    PlainMain,
    Runtime,
}

/// Turns this process into a worker if a pool of tasks has started it as one; otherwise returns at once. Put it first in `main`.
///
/// A worker is this program, started anew: it comes here, serves tasks until its pool has no more use for it, and never returns.
/// Whatever stands before `init` happens in every worker, too. Workers of other pools ([`worker`](crate::worker()), a web app's)
/// pass by.
///
/// # Under `#[tokio::main]`
///
/// That attribute starts a runtime, with its threads, before the first statement of `main`, and so in every worker. Such a worker
/// runs tasks, but it starts later, keeps descriptors that it should not have, and cannot be sandboxed. So `main` stays plain:
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
    let is_in_runtime = tokio::runtime::Handle::try_current().is_ok();
    let _ = INIT.set(if is_in_runtime { Place::Runtime } else { Place::PlainMain });
    if std::env::var_os(SERVES_TASKS).is_none() {
        return;
    }
    let Some(worker) = worker::worker() else { return };
    match table() {
        Ok(table) => worker.serve(table.hash, serve::handler(table)),
        Err(why) => worker::give_up(&why),
    }
}

impl Config {
    /// Starts a pool whose workers run every [`#[task]`](macro@crate::task) of this program, and returns when the first one is
    /// ready.
    ///
    /// Needs a running tokio runtime with time and I/O, and [`init`] first in `main`, unless the size is 0, which runs tasks on
    /// threads of this process. A pool with [`Config::args`] is not checked for `init`: that is for programs whose workers
    /// take a way of their own to it, such as tests.
    pub async fn start_tasks(mut self) -> Result<Pool, Error> {
        // The size decides whether there will be workers that `init` has to turn into such.
        self.override_by_environment().map_err(Error::Start)?;
        let table = table().map_err(Error::Start)?;
        if self.size.max > 0 && self.args.is_none() {
            check_init()?;
        }
        let config = self.table_hash(table.hash).env(SERVES_TASKS, "1");
        Pool::start(config, serve::handler(table)).await
    }
}

fn check_init() -> Result<(), Error> {
    match INIT.get() {
        Some(Place::PlainMain) => Ok(()),
        Some(Place::Runtime) => {
            tracing::warn!(
                "pixie_pool::init() was called inside of a tokio runtime, as under `#[tokio::main]`, so each worker starts one \
                 of its own first and cannot be sandboxed: {REMEDY}"
            );
            Ok(())
        }
        None => Err(Error::Start(format!(
            "pixie_pool::init() has not been called, so a worker, which is this program started anew, would not know that it \
             is one: make it the first statement of a plain `main`: {REMEDY}"
        ))),
    }
}
