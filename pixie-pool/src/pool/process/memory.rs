//! What limits the memory of a worker.
//!
//! Owns the choice between a cgroup and the checks of resident memory, and what the log says about it. Leaves
//! cgroups to `platform` and the checks to `queue::limits`. Invariant: a worker that cannot have a cgroup is
//! still limited otherwise, and a snapshot says how.
//!
//! The worker also sets `RLIMIT_DATA`, with a cgroup too. An allocation beyond it fails with a message, and a
//! handler may handle the failure, while the kernel kills a cgroup without a message; so a handler behaves
//! the same on all machines. The cgroup counts what that limit does not: shared mappings, files in memory,
//! sockets and the programs that a job starts. With a cgroup, resident memory is not checked, because it
//! includes mapped files of other programs.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    config::Config,
    platform::{self, Cgroups, Limits, NoCgroups, WorkerCgroup},
    snapshot::MemoryLimit,
};

pub(crate) struct WorkerMemory {
    config: Arc<Config>,
    cgroups: Mutex<Option<Cgroups>>,
}

impl WorkerMemory {
    /// Finds out whether the workers can have cgroups, if they need any.
    pub(crate) async fn open(config: Arc<Config>) -> Self {
        let is_needed = !config.is_threaded() && config.memory.is_some();
        let cgroups = if is_needed { open_cgroups(&config.name).await } else { None };
        WorkerMemory { config, cgroups: Mutex::new(cgroups) }
    }

    fn cgroups(&self) -> Option<Cgroups> {
        self.cgroups.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn has_cgroups(&self) -> bool {
        self.cgroups().is_some()
    }

    /// Returns the function that moves the next worker of a slot into a cgroup of its own, if it gets one.
    pub(super) fn admission(&self, slot: usize) -> impl FnOnce(u32) -> Option<WorkerCgroup> + Send + 'static + use<> {
        let (cgroups, memory, pool) = (self.cgroups(), self.config.memory_bytes(), self.config.name.clone());
        let threads = self.config.thread_limit.filter(|_| self.config.sandbox.is_wanted());
        move |pid| {
            let (cgroups, memory) = cgroups.zip(memory)?;
            let admitted = cgroups.admit(&format!("{pool}-{slot}"), Limits { memory, threads }, pid);
            admitted
                .inspect_err(|why| {
                    let limit = MemoryLimit::Process;
                    tracing::warn!(%pool, worker = slot, pid, %limit, "a worker has no cgroup: {why}");
                })
                .ok()
        }
    }

    pub(super) fn kind(&self, has_cgroup: bool) -> Option<MemoryLimit> {
        let limit = if has_cgroup { MemoryLimit::Cgroup } else { MemoryLimit::Process };
        self.config.memory_bytes().filter(|_| !self.config.is_threaded()).map(|_| limit)
    }

    /// Returns an error if a memory limit needs the size of this worker, and the size cannot be read.
    pub(super) fn check_readable(&self, pid: u32) -> Result<(), String> {
        let is_left_to_cgroups = self.cgroups().is_some() && self.config.recycle_memory.is_none();
        if !self.config.checks_memory() || is_left_to_cgroups {
            return Ok(());
        }
        platform::resident_bytes(pid).map(drop).map_err(|error| {
            format!(
                "cannot read the workers' memory use, so the memory limit is not enforced ({error}); if /proc is \
                 mounted with `hidepid`, which hides sandboxed workers, mount it without, or with `gid=` a group of \
                 this process"
            )
        })
    }

    /// Releases the cgroups. The kernel needs milliseconds to remove the last one.
    pub(super) async fn close(&self) {
        let cgroups = self.cgroups.lock().unwrap_or_else(PoisonError::into_inner).take();
        let _ = tokio::task::spawn_blocking(move || drop(cgroups)).await;
    }
}

async fn open_cgroups(pool: &str) -> Option<Cgroups> {
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

pub(crate) async fn remove(cgroup: Option<WorkerCgroup>) {
    if let Some(cgroup) = cgroup {
        // If the runtime shuts down, the end of the last pool removes the cgroup.
        let _ = tokio::task::spawn_blocking(move || cgroup.remove()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_memory_limit_that_cannot_be_enforced_is_reported() {
        let limited = WorkerMemory::open(Arc::new(Config::default().recycle_memory("1GB"))).await;
        let free = WorkerMemory::open(Arc::new(Config::default())).await;
        let (own, absent) = (std::process::id(), u32::MAX);
        assert_eq!((limited.check_readable(own), free.check_readable(absent)), (Ok(()), Ok(())));
        assert!(limited.check_readable(absent).is_err_and(|why| why.contains("`hidepid`")));
    }
}
