//! What holds a worker to the memory that it may have.
//!
//! Owns the choice between a cgroup and what every system has, and what the log says of it. Leaves cgroups to `platform`, the looks
//! at resident memory to `shared::workers`, and `RLIMIT_DATA`, which is set in any case, to the worker.
//! Rule: a limit is never given up: a worker that cannot have a cgroup is held by the rest, and a snapshot says which.
//!
//! `RLIMIT_DATA` stays on beside the cgroup. An allocation beyond it fails where it is made, with a message, and a handler may take it
//! for an answer, while the kernel ends a cgroup without a word; and a handler that works on one machine works on the other. The
//! cgroup counts what that limit does not see: shared mappings, files in memory, sockets, and the programs that a job starts. The
//! looks at resident memory are left out, since they count files of others that are mapped, too, which cost the worker nothing.

use crate::{
    config::Config,
    platform::{Cgroups, NoCgroups, WorkerCgroup},
    pool::shared::Shared,
    snapshot::MemoryLimit,
};

/// Finds out whether the workers of a pool can have cgroups, if they need any.
pub(crate) async fn open(config: &Config) -> Option<Cgroups> {
    if config.is_threaded() {
        return None;
    }
    config.memory.as_ref()?;
    let pool = &config.name;
    // The kernel waits for all processors when a process moves, which takes it milliseconds.
    match tokio::task::spawn_blocking(Cgroups::open).await.ok()? {
        Ok(cgroups) => {
            tracing::info!(pool, limit = %MemoryLimit::Cgroup, "the memory of each worker is limited");
            Some(cgroups)
        }
        Err(NoCgroups::NotDelegated(why)) => {
            tracing::debug!(pool, limit = %MemoryLimit::Process, "no cgroup limits the memory of workers: {why}");
            None
        }
        Err(NoCgroups::Failed(why)) => {
            tracing::warn!(pool, limit = %MemoryLimit::Process, "no cgroup limits the memory of workers: {why}");
            None
        }
    }
}

impl Shared {
    /// Returns what moves the next worker of a place into a cgroup of its own, if it is to have one.
    pub(crate) fn admission(&self, number: usize) -> impl FnOnce(u32) -> Option<WorkerCgroup> + Send + 'static + use<> {
        let (cgroups, memory, pool) = (self.cgroups(), self.memory(), self.name.clone());
        move |pid| {
            let (cgroups, memory) = cgroups.zip(memory)?;
            let admitted = cgroups.admit(&format!("{pool}-{number}"), memory, pid);
            admitted
                .inspect_err(|why| {
                    let limit = MemoryLimit::Process;
                    tracing::warn!(%pool, worker = number, pid, %limit, "a worker has no cgroup: {why}");
                })
                .ok()
        }
    }

    /// Returns what limits the memory of a worker.
    pub(crate) fn memory_limit(&self, cgroup: Option<&WorkerCgroup>) -> Option<MemoryLimit> {
        let limit = if cgroup.is_some() { MemoryLimit::Cgroup } else { MemoryLimit::Process };
        self.memory().filter(|_| !self.is_threaded()).map(|_| limit)
    }
}

/// Removes the cgroup of a worker that has ended.
pub(crate) async fn remove(cgroup: Option<WorkerCgroup>) {
    if let Some(cgroup) = cgroup {
        // A runtime that is shut down leaves it to the last pool's end.
        let _ = tokio::task::spawn_blocking(move || cgroup.remove()).await;
    }
}
