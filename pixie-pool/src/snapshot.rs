//! The state of a pool at one moment.
//!
//! Owns plain values for status pages and metrics. With the feature `serde` they can be serialized, with
//! times in seconds. Invariant: the main process counts everything here; a worker cannot change a number.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use crate::sandbox::SandboxLevel;

/// One pool at one moment.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// The pool's name.
    pub name: String,
    /// Jobs that may run at the same time now.
    pub size: usize,
    /// The largest number of jobs that may ever run at the same time.
    pub size_max: usize,
    /// Workers that are ready and wait for a job.
    pub idle: usize,
    /// Ready workers beyond `size`, which replace a worker that exits.
    pub spares: usize,
    /// Jobs running.
    pub busy: usize,
    /// Jobs waiting.
    pub queued: usize,
    /// How long the first of the waiting jobs has waited.
    #[cfg_attr(feature = "serde", serde(serialize_with = "seconds"))]
    pub oldest_wait: Option<Duration>,
    /// Whether the pool refuses jobs because its workers do not start.
    pub is_broken: bool,
    /// Every worker that runs or is being started, by number.
    pub workers: Vec<WorkerSnapshot>,
    /// Counts since the start of the pool.
    pub counts: Counts,
}

/// One worker at one moment.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct WorkerSnapshot {
    /// The worker's number in the pool, from 1.
    pub number: usize,
    /// What the worker does.
    pub state: WorkerState,
    /// The process id, if the process runs.
    pub pid: Option<u32>,
    /// Which parts of the sandbox are in force, as the worker reported when it was ready; `None` until then.
    pub sandbox: Option<SandboxLevel>,
    /// Jobs that this process has replied to.
    pub jobs: u64,
    /// The label of the running job.
    pub label: Option<Arc<str>>,
    /// How long the job has been running.
    #[cfg_attr(feature = "serde", serde(serialize_with = "seconds"))]
    pub running_for: Option<Duration>,
    /// How long the worker has waited for the reader of its reply, if that is 100 ms or more.
    #[cfg_attr(feature = "serde", serde(serialize_with = "seconds"))]
    pub held_for: Option<Duration>,
    /// The submitter's name for the running job.
    pub request_id: Option<Arc<str>>,
    /// How long this process has been ready.
    #[cfg_attr(feature = "serde", serde(serialize_with = "seconds"))]
    pub age: Option<Duration>,
    /// How [`Config::memory`](crate::Config::memory) is enforced, if it is set and the worker is ready.
    pub memory_limit: Option<MemoryLimit>,
    /// Resident memory of the process in bytes, where the system reports it; `None` for a thread.
    pub memory: Option<u64>,
}

/// How the total memory of a worker is limited; `RLIMIT_DATA` also limits its private allocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum MemoryLimit {
    /// By a cgroup per worker: the kernel kills it and its programs before they use more.
    Cgroup,
    /// By checks of the resident memory while jobs run: the pool kills the worker soon after it uses more.
    Process,
}

impl fmt::Display for MemoryLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MemoryLimit::Cgroup => "cgroup",
            MemoryLimit::Process => "process",
        })
    }
}

/// What a worker does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum WorkerState {
    /// The worker is being started.
    #[default]
    Starting,
    /// The worker waits for a job.
    Idle,
    /// The worker runs a job.
    Busy,
}

/// Counts of a pool since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Counts {
    /// Jobs that workers have ended, with a reply or a failure.
    pub jobs: u64,
    /// Workers that the pool killed, by cause as in the log. A cause that has not occurred is missing.
    pub kills: BTreeMap<&'static str, u64>,
    /// Workers that failed to start, or were not ready in time.
    pub start_failures: u64,
    /// Workers that exited by themselves, by cause: see [`Exit::cause`](crate::Exit::cause).
    pub exits: BTreeMap<String, u64>,
    /// Jobs that were reported because they ran longer than `slow_after`.
    pub slow: u64,
    /// Workers that were started to replace others.
    pub restarts: u64,
    /// Workers that were replaced because of `recycle_after`, `recycle_age` or `recycle_memory`.
    pub recycled: u64,
    /// Workers that were ended because the pool had too few jobs for them.
    pub retired: u64,
    /// Jobs sent again after a crash.
    pub retries: u64,
    /// Jobs that moved to another worker before they were started.
    pub moves: u64,
    /// Jobs refused without being started, by cause: `queue_full`, `queue_timeout`, `unavailable` or
    /// `repeat_crash`.
    pub refused: BTreeMap<&'static str, u64>,
}

/// Writes times as seconds.
#[cfg(feature = "serde")]
fn seconds<S: serde::Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&time.map(|time| time.as_secs_f64()), serializer)
}
