//! The parent's side: what a program holds of a pool.
//!
//! Owns starting, submitting and stopping. Leaves a job's way to `shared`, who is next to `schedule`, workers
//! to `slot`. Rule: a pool ends with its last owner, and nothing of it is left.

pub(crate) mod connection;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(not(feature = "metrics"))]
#[path = "pool/metrics/absent.rs"]
mod metrics;
pub(crate) mod process;
mod queue;
pub(crate) mod shared;
mod slow;
mod view;

use std::{
    fmt,
    future::Future,
    panic::catch_unwind,
    sync::{Arc, OnceLock, Weak},
    time::{Duration, Instant},
};

use tokio::{runtime::Handle, sync::Mutex, task::JoinHandle, time::sleep};

use crate::{
    config::{ByteSize, Config, NAME_BYTES_MAX, Settings, Size, TIME_MAX, WORKERS_MAX, claim::Claim},
    error::Error,
    identity,
    job::{Handler, Job},
    platform,
    pool::{
        connection::job_state::{Exchange, Name},
        connection::upload::Upload,
        process::handshake::Rendezvous,
        process::{worker, worker::Place},
        shared::Shared,
    },
    protocol::frame::Start,
    reply::{Pending, Reply},
    snapshot::Snapshot,
    submission::Submission,
};

/// A pool of workers; clones are the same pool. When the last one is dropped the workers are killed.
#[derive(Clone)]
pub struct Pool {
    shared: Arc<Shared>,
    life: Arc<Life>,
}

/// Ends the pool with its last owner.
struct Life {
    shared: Arc<Shared>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    _claim: Claim,
}

impl Pool {
    /// Starts the workers and returns when the first one is ready; at once if they are started on demand.
    ///
    /// Needs a running tokio runtime with time and I/O, and this one has to outlive the pool: when it ends
    /// the workers are killed, and every job, also one of another runtime, gets [`Error::Stopping`]. Each
    /// `#[tokio::test]` has a runtime of its own, so a pool in a static serves only one of them.
    ///
    /// What the environment says of the pool comes first: see [`Config::override_by_environment`].
    pub async fn start(mut config: Config, handler: Handler) -> Result<Pool, Error> {
        config.override_by_environment().map_err(Error::Start)?;
        check(&config)?;
        check_runtime()?;
        config.prepare().map_err(|why| Error::Start(format!("pool `{}`: {why}", config.name)))?;
        let claim = Claim::take(&config.name).map_err(Error::Start)?;
        warn_of_mix_ups(&config, &handler);
        let rendezvous = Rendezvous::open(config.runtime_dir.as_deref())
            .map_err(|why| Error::Start(format!("the directory for the sockets of pool `{}`: {why}", config.name)))?;
        let cgroups = process::memory::open(&config).await;
        let shared = Arc::new(Shared::new(config, handler, rendezvous, cgroups));
        let mut tasks = vec![tokio::spawn(look_at_clock(ClockTask(Arc::clone(&shared))))];
        shared.order();
        for place in 1..=shared.places() {
            tasks.push(tokio::spawn(worker::keep(Place { shared: Arc::clone(&shared), number: place })));
        }
        let life = Life { shared: Arc::clone(&shared), tasks: Mutex::new(tasks), _claim: claim };
        let pool = Pool { shared, life: Arc::new(life) };
        match pool.shared.first_ready().await {
            Ok(()) => Ok(pool),
            Err(why) => {
                pool.stop(Duration::ZERO).await;
                Err(Error::Start(why))
            }
        }
    }

    /// Runs a job: the future resolves with the answer's head, dropping it cancels the job.
    pub fn submit(
        &self,
        submission: Submission,
    ) -> impl Future<Output = Result<Reply, Error>> + Send + 'static + use<> {
        let Submission { head, body, deadline, replayable, label, request_id } = submission;
        let (body, upload) = Upload::split(body);
        let number = self.shared.next_number();
        let name = Name { number, label, request_id };
        let extension_ms = u32::try_from(self.shared.config.extension.as_millis()).unwrap_or(u32::MAX);
        let start = Start { number, deadline_ms: 0, extension_ms, head, body, complete: upload.is_none() };
        let deadline = deadline.map(|time| time.min(TIME_MAX)).or(self.shared.config.deadline);
        let exchange = Exchange::new(name, deadline, start, replayable);
        Pending::new(Arc::clone(&self.shared), Arc::new(exchange), upload)
    }

    /// Returns the fingerprint of what the workers know.
    #[cfg(feature = "tasks")]
    pub(crate) fn table_hash(&self) -> u64 {
        self.shared.config.table_hash
    }

    /// Returns what the pool looks like now.
    pub fn snapshot(&self) -> Snapshot {
        self.shared.snapshot()
    }

    /// Refuses new jobs, gives those accepted `grace` to end, then kills and reaps every worker and removes
    /// the sockets.
    pub async fn stop(&self, grace: Duration) {
        self.shared.drain(grace).await;
        self.shared.end();
        for task in self.life.tasks.lock().await.drain(..) {
            // A task that panicked has nothing left to wait for.
            let _ = task.await;
        }
        self.shared.close_cgroups().await;
        self.shared.close_rendezvous();
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("name", &self.shared.name).finish_non_exhaustive()
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.shared.end();
    }
}

/// Refuses what would hang or panic in a task of ours.
fn check_runtime() -> Result<(), Error> {
    let lacks = if Handle::try_current().is_err() {
        "no tokio runtime is running here: start the pool inside of one, as in a function with `#[tokio::main]`"
    // There is no other way to ask.
    } else if catch_unwind(|| drop(sleep(Duration::ZERO))).is_err() {
        "the tokio runtime has no timers: build it with `enable_all()`"
    } else if catch_unwind(platform::register_socket).is_err() {
        "the tokio runtime has no I/O: build it with `enable_all()`"
    } else {
        return Ok(());
    };
    Err(Error::Start(lacks.to_owned()))
}

fn check(config: &Config) -> Result<(), Error> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if config.name.is_empty() || config.name.len() > NAME_BYTES_MAX || !config.name.chars().all(is_plain) {
        let limits = format!("1 to {NAME_BYTES_MAX} letters, digits, `-`, `_` or `.`");
        return Err(Error::Start(format!("the pool's name {:?} has to be {limits}", config.name)));
    }
    check_bytes(config)?;
    check_size(config)?;
    if config.cpu_time.is_some() && !platform::HAS_CPU_CLOCKS {
        return Err(Error::Start(
            "a limit of CPU time needs a system with clocks of other processes, such as Linux".to_owned(),
        ));
    }
    if identity::is_worker() {
        let remedy = "make pixie_pool::init() the first statement of main, or pixie_pool::worker(), and serve if it returns a worker";
        return Err(Error::Start(format!("this process is a worker of another pool: {remedy}")));
    }
    config.sandbox.check(config.is_threaded()).map_err(|why| Error::Start(format!("pool `{}`: {why}", config.name)))
}

fn check_bytes(config: &Config) -> Result<(), Error> {
    let limits = [
        ("memory", config.memory.as_ref()),
        ("recycle_memory", config.recycle_memory.as_ref()),
        ("collect_limit", Some(&config.collect_limit)),
    ];
    for (limit, bytes) in limits {
        let why = match bytes.map(ByteSize::bytes) {
            None | Some(Ok(1..)) => continue,
            Some(Ok(0)) => "the limit must be greater than 0; omit it for no limit",
            Some(Err(why)) => why,
        };
        return Err(Error::Start(format!("the `{limit}` of pool `{}`: {why}", config.name)));
    }
    Ok(())
}

fn check_size(config: &Config) -> Result<(), Error> {
    let (Settings { name, threads, spares, queue, .. }, Size { min, max }) = (&**config, config.size);
    let wrong = if min > max {
        format!("the size of pool `{name}` ends at {max}, before its start {min}")
    } else if config.is_threaded() && *threads > WORKERS_MAX {
        format!("pool `{name}` may have {threads} threads, at most {WORKERS_MAX} are allowed")
    } else if max.saturating_add(*spares) > WORKERS_MAX {
        format!("pool `{name}` may have {max} workers and {spares} spares, at most {WORKERS_MAX} together are allowed")
    } else if min < max && *queue == 0 {
        format!("pool `{name}` grows when jobs wait, so its queue has to have room for at least 1")
    } else {
        return Ok(());
    };
    Err(Error::Start(wrong))
}

/// Says so if workers of two pools could run each other's handler without anybody noticing.
fn warn_of_mix_ups(config: &Config, handler: &Handler) {
    type Named = (String, Weak<dyn Fn(Job) + Send + Sync>);
    static FIRST: OnceLock<Named> = OnceLock::new();
    if config.table_hash != 0 || config.is_threaded() {
        return;
    }
    let (first, its_handler) = FIRST.get_or_init(|| (config.name.clone(), Arc::downgrade(handler)));
    if *first != config.name && !its_handler.ptr_eq(&Arc::downgrade(handler)) {
        tracing::warn!(
            pool = %config.name, other = %first,
            "two pools with two handlers have the same `table_hash`, so a worker that serves the wrong one is not noticed: \
             choose by `worker.identity().pool`, and give each pool a `table_hash` of its own"
        );
    }
}

/// Looks at every clock of the pool whenever the earliest has run out.
async fn look_at_clock(clock: ClockTask) {
    let shared = &clock.0;
    let mut ending = shared.ending.subscribe();
    loop {
        tokio::select! {
            () = shared.clock.wait() => shared.expire(Instant::now()),
            _ = ending.wait_for(|e| *e) => return,
        }
    }
}

/// Ends the pool when nobody looks at its clocks any more: a runtime that ends drops its tasks, also one that
/// has never run.
struct ClockTask(Arc<Shared>);

impl Drop for ClockTask {
    fn drop(&mut self) {
        if !*self.0.ending.borrow() {
            tracing::warn!(pool = %self.0.name, "the runtime on which the pool was started has ended, and the pool with it");
            self.0.end();
        }
    }
}
