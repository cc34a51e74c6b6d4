//! What a pool looks like at one moment.
//!
//! Owns plain values for status pages and metrics; with the feature `serde` they can be written as JSON, times in seconds.
//! Rule: whatever is counted here was seen by the parent; a worker cannot fake it.

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
    /// Workers that are ready and have nothing to do.
    pub idle: usize,
    /// Ready workers beyond `size`, which take the place of one that ends.
    pub spares: usize,
    /// Jobs running.
    pub busy: usize,
    /// Jobs waiting.
    pub queued: usize,
    /// How long the first of them has been waiting.
    #[cfg_attr(feature = "serde", serde(serialize_with = "seconds"))]
    pub oldest_wait: Option<Duration>,
    /// Whether starts fail so often that jobs are refused.
    pub is_broken: bool,
    /// Every worker that is there or being started, by number.
    pub workers: Vec<WorkerSnapshot>,
    /// What has happened since the start.
    pub counts: Counts,
}

/// One worker at one moment.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct WorkerSnapshot {
    /// Its number in the pool, from 1.
    pub number: usize,
    /// What it does.
    pub state: WorkerState,
    /// Its process id, if it runs.
    pub pid: Option<u32>,
    /// What of the pool's sandbox holds it, as it said when it was ready, before its first job; `None` until then.
    pub sandbox: Option<SandboxLevel>,
    /// Jobs that this process has answered.
    pub jobs: u64,
    /// What it runs.
    pub label: Option<Arc<str>>,
    /// How long it has been running that.
    #[cfg_attr(feature = "serde", serde(serialize_with = "seconds"))]
    pub running_for: Option<Duration>,
    /// What the submitter knows that job by.
    pub request_id: Option<Arc<str>>,
    /// How long this process has been ready.
    #[cfg_attr(feature = "serde", serde(serialize_with = "seconds"))]
    pub age: Option<Duration>,
    /// What holds it to [`Config::memory`](crate::Config::memory), if that is set; `None` for a thread and until it is ready.
    pub memory_limit: Option<MemoryLimit>,
    /// Bytes of memory that this process holds, where the system tells; a thread of this process has none of its own.
    pub memory: Option<u64>,
}

/// What limits the memory of a worker as a whole, besides `RLIMIT_DATA`, which limits what it allocates for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum MemoryLimit {
    /// A cgroup of its own: the kernel ends it, and all that it has started, before it has more.
    Cgroup,
    /// Looks at its resident memory while it runs jobs: it is ended soon after it has more.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
pub enum WorkerState {
    /// It is being started.
    Starting,
    /// It waits for a job.
    Idle,
    /// It runs a job.
    Busy,
}

/// What has happened in a pool since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Counts {
    /// Jobs that workers have ended, whatever the answer.
    pub jobs: u64,
    /// Workers killed for a missed deadline.
    pub kills_deadline: u64,
    /// Workers killed for a job that used more CPU time than one may.
    pub kills_cpu_time: u64,
    /// Workers killed because they had more memory than a worker may.
    pub kills_memory: u64,
    /// Workers killed because a cancelled job did not end.
    pub kills_cancel: u64,
    /// Workers killed because their answer stood still.
    pub kills_idle: u64,
    /// Workers killed for breaking the protocol.
    pub kills_protocol: u64,
    /// Workers killed because they stood still with jobs that others could do.
    pub kills_stuck: u64,
    /// Workers that were not ready in time or failed to start.
    pub start_failures: u64,
    /// Workers that died by themselves, by cause: see [`Exit::cause`](crate::Exit::cause).
    pub deaths: BTreeMap<String, u64>,
    /// Jobs that were reported because they had run for longer than `slow_after`.
    pub slow: u64,
    /// Workers started in the place of others.
    pub restarts: u64,
    /// Workers that went because they had run enough jobs, were old or large, once their replacement was ready.
    pub recycled: u64,
    /// Workers that went because there was too little to do.
    pub retired: u64,
    /// Jobs sent again after a crash.
    pub retries: u64,
    /// Jobs that left a worker before it had started them, because another job there was slow or the worker ended.
    pub moves: u64,
    /// Jobs refused because the queue was full.
    pub refused_full: u64,
    /// Jobs refused because they had waited too long.
    pub refused_late: u64,
    /// Jobs refused because the same job had crashed several workers.
    pub refused_repeat_crash: u64,
    /// Jobs refused because workers could not be started.
    pub refused_broken: u64,
}

/// Writes times as seconds.
#[cfg(feature = "serde")]
fn seconds<S: serde::Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&time.map(|time| time.as_secs_f64()), serializer)
}
