//! The pool as its users hold it: start, submit, snapshot, stop.
//!
//! Owns the checks of the configuration. Leaves a job's way to `queue`, sockets to `connection` and workers
//! to `process`. Invariant: the pool ends with its last owner, and with it all its processes and files.

pub(crate) mod connection;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(not(feature = "metrics"))]
#[path = "pool/metrics/absent.rs"]
mod metrics;
mod observers;
pub(crate) mod process;
pub(crate) mod queue;

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    panic::catch_unwind,
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use tokio::{net::UnixDatagram, runtime::Handle, sync::Mutex, task::JoinHandle, time::sleep};

use crate::{
    config::{ByteSize, Claim, Config, SANDBOX_THREADS_MIN, Settings, Size, TIME_MAX, WORKERS_MAX, check_name},
    error::Error,
    identity,
    job::{Handler, Job},
    platform,
    pool::{
        connection::{Connection, JobName, JobState, Upload},
        observers::Observers,
        process::{
            Workers,
            handshake::SocketDirectory,
            memory::WorkerMemory,
            worker::{self, WorkerSlot},
        },
        queue::{
            Queue,
            timer::{self, RuntimeGuard},
        },
    },
    protocol::frame::Start,
    reply::{Pending, Reply},
    snapshot::{Snapshot, WorkerSnapshot, WorkerState},
    submission::Submission,
};

/// A pool of workers; clones are the same pool. When the last clone is dropped, the workers are killed.
///
/// With the size 0, jobs run on threads of this process, which suits tests:
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use pixie_pool::{Handler, Job, Pool, Submission};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let handler: Handler = Arc::new(|job: Job| {
///     let greeting = [b"hello ", job.head()].concat();
///     let _ = job.reply(b"", &greeting);
/// });
/// let pool = Pool::named("greetings").size(0).start(handler).await?;
/// let reply = pool.submit(Submission::new("world")).await?;
/// assert_eq!(reply.body.collect().await?, "hello world");
/// pool.stop(Duration::from_secs(1)).await;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Pool {
    queue: Arc<Queue>,
    owner: Arc<Owner>,
}

/// Ends the pool when the last clone is dropped.
struct Owner {
    workers: Arc<Workers>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    _claim: Claim,
}

impl Pool {
    /// Returns the configuration of a pool with this name and the default of each setting.
    ///
    /// ```no_run
    /// # use std::{sync::Arc, time::Duration};
    /// # use pixie_pool::{Handler, Job, Pool};
    /// # async fn start(handler: Handler) -> Result<(), pixie_pool::Error> {
    /// let images = Pool::named("images").size(2..=8).deadline(Duration::from_secs(2)).memory("256MB");
    /// let pool = images.start(handler).await?;
    /// # Ok(()) }
    /// ```
    pub fn named(name: impl Into<String>) -> Config {
        Config::default().name(name)
    }

    /// Runs a job. The future resolves with the head of the reply; dropping it cancels the job.
    pub fn submit(
        &self,
        submission: Submission,
    ) -> impl Future<Output = Result<Reply, Error>> + Send + 'static + use<> {
        let Submission { head, body, deadline, replayable, label, request_id, trace_id, client } = submission;
        let (body, upload) = Upload::split(body);
        let (config, number) = (&self.queue.config, self.queue.next_job_number());
        let name = JobName { number, label, request_id, trace_id };
        let extension_ms = u32::try_from(config.extension.as_millis()).unwrap_or(u32::MAX);
        let start = Start { number, deadline_ms: 0, extension_ms, head, body, complete: upload.is_none() };
        let deadline = deadline.map(|time| time.min(TIME_MAX)).or(config.deadline);
        let mut job = JobState::new(name, deadline, start, replayable);
        job.client = client;
        if let Some(whole) = upload.as_ref().and_then(Upload::whole) {
            job.remember(whole);
        }
        Pending::new(Arc::clone(&self.queue), Arc::new(job), upload)
    }

    /// Returns the number that stands for what the workers can do.
    #[cfg(feature = "tasks")]
    pub(crate) fn table_hash(&self) -> u64 {
        self.queue.config.table_hash
    }

    /// Returns why the pool cannot run jobs now, or `None` if it can. A full queue is not a reason. Cheaper
    /// than [`snapshot`](Pool::snapshot), because it asks no worker.
    pub fn trouble(&self) -> Option<&'static str> {
        self.queue.rules().trouble()
    }

    /// Returns how many jobs could run at the same time now: the largest size of the pool, less the workers that
    /// are being started, for the first time or again. If workers have a memory limit, on Linux also less those
    /// for which the machine or the cgroup of this process has no memory, but never less than are ready.
    pub fn capacity(&self) -> usize {
        // Outside of the lock, because it reads files.
        let each = self.queue.config.memory_bytes().filter(|_| self.queue.config.size.min < self.queue.config.size.max);
        let room = each.and_then(|each| Some(platform::available_bytes()? / each.max(1)));
        let rules = self.queue.rules();
        rules.scale.capacity(rules.workers().len(), room.map(|room| usize::try_from(room).unwrap_or(usize::MAX)))
    }

    /// Returns the state of the pool at this moment, and sets the gauges of the metrics.
    pub fn snapshot(&self) -> Snapshot {
        let queue = &self.queue;
        let (config, mut counts) = (&queue.config, queue.observers.counts());
        queue.adopt_running();
        let rules = queue.rules();
        let mut workers: BTreeMap<usize, WorkerSnapshot> = rules
            .scale
            .filled()
            .map(|slot| (slot, WorkerSnapshot { number: slot, ..WorkerSnapshot::default() }))
            .collect();
        for connection in rules.workers() {
            counts.jobs += connection.jobs();
            workers.insert(connection.slot, ready(connection));
        }
        let ready = rules.workers().len();
        let mut snapshot = Snapshot {
            name: config.name.clone(),
            size: rules.scale.target(),
            size_max: config.jobs_at_once().max,
            idle: ready.saturating_sub(rules.busy()),
            spares: ready.saturating_sub(rules.scale.target()),
            busy: rules.busy(),
            queued: rules.queued(),
            oldest_wait: rules.oldest().map(|since| since.elapsed()),
            is_broken: rules.is_broken(),
            workers: workers.into_values().collect(),
            counts,
        };
        drop(rules);
        // Asks the system, which takes longer than the lock may be held.
        for worker in snapshot.workers.iter_mut().filter(|_| !config.is_threaded()) {
            worker.memory = worker.pid.and_then(|pid| platform::resident_bytes(pid).ok());
        }
        queue.observers.metrics.show(&snapshot);
        snapshot
    }

    /// Refuses new jobs, waits for the accepted ones for at most `grace`, and kills the workers.
    pub async fn stop(&self, grace: Duration) {
        self.queue.drain(grace).await;
        self.queue.end();
        for task in self.owner.tasks.lock().await.drain(..) {
            // A task that panicked needs no wait.
            let _ = task.await;
        }
        self.owner.workers.close().await;
    }
}

/// # Starting
impl Config {
    /// Starts the workers; returns when the first one is ready, at once if they are started on demand.
    ///
    /// Needs a running tokio runtime with time and I/O that outlives the pool: when the runtime shuts down,
    /// the workers are killed, and every job, even one of another runtime, gets [`Error::Stopping`]. Each
    /// `#[tokio::test]` has its own runtime, so a pool in a static serves only one of them.
    ///
    /// The environment overrides the configuration: see [`Config::override_by_environment`].
    pub async fn start(mut self, handler: Handler) -> Result<Pool, Error> {
        self.override_by_environment().map_err(Error::Start)?;
        check(&self)?;
        check_runtime()?;
        if !self.is_threaded() {
            // Also notes the file, so that one that replaces it is found out.
            platform::own_executable().map_err(|e| Error::Start(format!("finding this program failed: {e}")))?;
        }
        self.prepare().map_err(|why| Error::Start(format!("pool `{}`: {why}", self.name)))?;
        let config = Arc::new(self);
        let claim = Claim::take(&config.name).map_err(Error::Start)?;
        warn_of_mix_ups(&config, &handler);
        let sockets = SocketDirectory::open(config.runtime_dir.as_deref())
            .map_err(|why| Error::Start(format!("the directory for the sockets of pool `{}`: {why}", config.name)))?;
        let observers = Arc::new(Observers::new(&config.name));
        let memory = WorkerMemory::open(Arc::clone(&config)).await;
        let queue = Queue::new(config, observers).map_err(|e| Error::Start(format!("the queue of the pool: {e}")))?;
        let queue = Arc::new(queue);
        let workers = Arc::new(Workers::new(Arc::clone(&queue), handler, sockets, memory));
        let mut tasks = vec![tokio::spawn(timer::send_jobs(RuntimeGuard(Arc::clone(&queue))))];
        timer::start(&queue).map_err(|e| Error::Start(format!("starting the thread of the timer: {e}")))?;
        queue.order_starts();
        for number in 1..=queue.slots() {
            tasks.push(tokio::spawn(worker::run(WorkerSlot { workers: Arc::clone(&workers), number })));
        }
        let owner = Owner { workers, tasks: Mutex::new(tasks), _claim: claim };
        let pool = Pool { queue, owner: Arc::new(owner) };
        match pool.owner.workers.first_ready().await {
            Ok(()) => Ok(pool),
            Err(why) => {
                pool.stop(Duration::ZERO).await;
                Err(Error::Start(why))
            }
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("name", &self.queue.config.name).finish_non_exhaustive()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.workers.queue.end();
    }
}

/// Returns an error if a task of the pool would hang or panic on this runtime.
fn check_runtime() -> Result<(), Error> {
    let lacks = if Handle::try_current().is_err() {
        "no tokio runtime is running here: start the pool inside one, as in a function with `#[tokio::main]`"
    // tokio has no other way to ask.
    } else if catch_unwind(|| drop(sleep(Duration::ZERO))).is_err() {
        "the tokio runtime has no timers: build it with `enable_all()`"
    } else if catch_unwind(|| drop(UnixDatagram::unbound())).is_err() {
        "the tokio runtime has no I/O: build it with `enable_all()`"
    } else {
        return Ok(());
    };
    Err(Error::Start(lacks.to_owned()))
}

fn check(config: &Config) -> Result<(), Error> {
    check_name(&config.name).map_err(|why| Error::Start(format!("the pool's name {:?} {why}", config.name)))?;
    check_bytes(config)?;
    check_size(config)?;
    if config.cpu_time.is_some() && !platform::HAS_CPU_CLOCKS {
        return Err(Error::Start("`cpu_time` needs a system that measures other processes, such as Linux".to_owned()));
    }
    if identity::is_worker() {
        let remedy = "make pixie_pool::init() the first statement of main, or pixie_pool::worker(), and serve if it returns a worker";
        return Err(Error::Start(format!("this process is a worker of another pool: {remedy}")));
    }
    if config.preload.is_some() {
        let remedy = "run it between pixie_pool::worker() and Worker::serve, or in pixie_pool::init_with";
        return Err(Error::Start(format!(
            "this program does not run the `preload` of pool `{}`: {remedy}",
            config.name
        )));
    }
    if config.fresh && config.is_threaded() {
        let remedy = "give it a size above 0, or leave out `fresh`";
        return Err(Error::Start(format!("pool `{}` needs a process for each job: {remedy}", config.name)));
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
        format!("the size of pool `{name}` is {min} to {max}: the first number must not be larger")
    } else if config.is_threaded() && *threads > WORKERS_MAX {
        format!("pool `{name}` may have {threads} threads, at most {WORKERS_MAX} are allowed")
    } else if max.saturating_add(*spares) > WORKERS_MAX {
        format!("pool `{name}` may have {max} workers and {spares} spares, at most {WORKERS_MAX} together are allowed")
    } else if config.thread_limit.is_some_and(|limit| limit < SANDBOX_THREADS_MIN) {
        format!("the `thread_limit` of pool `{name}` must be at least {SANDBOX_THREADS_MIN}, or `None`")
    } else if min < max && *queue == 0 {
        format!("pool `{name}` grows when jobs wait, so its queue must have room for at least 1")
    } else {
        return Ok(());
    };
    Err(Error::Start(wrong))
}

/// Warns if a worker could run the handler of another pool without being detected.
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
            "two pools with different handlers have the same `table_hash`, so a worker that serves the wrong handler is not \
             detected: choose the handler by `worker.identity().pool`, and give each pool its own `table_hash`"
        );
    }
}

/// Returns the state of a ready worker, except its memory.
fn ready(connection: &Connection) -> WorkerSnapshot {
    let state = connection.state();
    let held_for = state.sent.back().and_then(|sent| sent.job.held_for());
    let (name, since) = state.running().map(|running| (running.name, running.since)).unzip();
    drop(state);
    WorkerSnapshot {
        state: if name.is_none() { WorkerState::Idle } else { WorkerState::Busy },
        pid: Some(connection.pid),
        sandbox: Some(connection.sandbox),
        jobs: connection.jobs(),
        running_for: since.map(|since| since.elapsed()),
        held_for,
        request_id: name.as_ref().and_then(|name| name.request_id.clone()),
        label: name.map(|name| name.label),
        age: Some(connection.age()),
        memory_limit: connection.memory_limit,
        number: connection.slot,
        ..WorkerSnapshot::default()
    }
}
