//! What limits the memory of a worker.
//!
//! Owns the choice between a cgroup and the checks of resident memory, and what the log says about it. Leaves cgroups to `platform` and
//! the checks to `queue::limits`. Invariant: a worker that cannot have a cgroup is still limited otherwise, and a snapshot says how.
//!
//! The worker also sets `RLIMIT_DATA`, with a cgroup too. An allocation beyond it fails with a message, and a handler may handle the
//! failure, while the kernel kills a cgroup without a message; so a handler behaves the same on all machines. The cgroup counts what
//! that limit does not: shared mappings, files in memory, sockets and the programs that a job starts. With a cgroup, resident memory is
//! not checked, because it includes mapped files of other programs.

use crate::{
    config::Config,
    platform::{self, Cgroups, NoCgroups, WorkerCgroup},
    pool::process::Workers,
    snapshot::MemoryLimit,
};

/// Returns where the workers of a pool get cgroups, if they need and can have them.
pub(crate) async fn open(config: &Config) -> Option<Cgroups> {
    if config.is_threaded() {
        return None;
    }
    config.memory.as_ref()?;
    let pool = &config.name;
    // Moving a process takes the kernel milliseconds, because it waits for all processors.
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

impl Workers {
    /// Returns the function that moves the next worker of a slot into a cgroup of its own, if it gets one.
    pub(super) fn admission(&self, slot: usize) -> impl FnOnce(u32) -> Option<WorkerCgroup> + Send + 'static + use<> {
        let (cgroups, memory, pool) = (self.cgroups(), self.memory_bytes(), self.observers.pool.clone());
        move |pid| {
            let (cgroups, memory) = cgroups.zip(memory)?;
            let admitted = cgroups.admit(&format!("{pool}-{slot}"), memory, pid);
            admitted
                .inspect_err(|why| {
                    let limit = MemoryLimit::Process;
                    tracing::warn!(%pool, worker = slot, pid, %limit, "a worker has no cgroup: {why}");
                })
                .ok()
        }
    }

    /// Returns what limits the memory of a worker.
    pub(super) fn memory_limit(&self, cgroup: Option<&WorkerCgroup>) -> Option<MemoryLimit> {
        let limit = if cgroup.is_some() { MemoryLimit::Cgroup } else { MemoryLimit::Process };
        self.memory_bytes().filter(|_| !self.config.is_threaded()).map(|_| limit)
    }

    /// Returns the bytes of memory that a worker may use.
    pub(super) fn memory_bytes(&self) -> Option<u64> {
        self.config.memory.as_ref().and_then(|memory| memory.bytes().ok())
    }

    /// Returns an error if a memory limit needs the size of this worker, and the size cannot be read.
    pub(super) fn check_memory_readable(&self, pid: u32) -> Result<(), String> {
        let is_left_to_cgroups = self.cgroups().is_some() && self.config.recycle_memory.is_none();
        if !self.queue.is_memory_limited() || is_left_to_cgroups {
            return Ok(());
        }
        platform::resident_bytes(pid).map(drop).map_err(|error| {
            format!(
                "cannot read the workers' memory use, so the memory limit is not enforced ({error}); if /proc is mounted with \
                 `hidepid`, which hides sandboxed workers, mount it without, or with `gid=` a group of this process"
            )
        })
    }
}

/// Removes the cgroup of a worker that has exited.
pub(crate) async fn remove(cgroup: Option<WorkerCgroup>) {
    if let Some(cgroup) = cgroup {
        // If the runtime shuts down, the end of the last pool removes the cgroup.
        let _ = tokio::task::spawn_blocking(move || cgroup.remove()).await;
    }
}
