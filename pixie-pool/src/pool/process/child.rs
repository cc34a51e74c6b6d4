//! The process or thread that a worker runs in, as its parent holds it.
//!
//! Owns ending it and the facts of its end. Leaves its start to `start` and its jobs to `connection`.

use std::{os::unix::process::ExitStatusExt as _, process::ExitStatus, sync::Arc, time::Duration};

use tokio::{process, sync::oneshot, time::timeout};

use crate::{
    config::EXIT_GRACE,
    error::Exit,
    platform::{self, ForkedProcess, ProcessWatch, WorkerCgroup},
    pool::{connection::Closed, process::output::Output},
};

/// Signals that operators and systems send to end processes. A fault of a handler raises another one.
const SIGNALS_OF_OTHERS: [&str; 5] = ["SIGHUP", "SIGINT", "SIGKILL", "SIGQUIT", "SIGTERM"];

pub(crate) enum Child {
    Process(Box<ChildProcess>),
    /// Cannot be killed: it ends with its job.
    Thread(oneshot::Receiver<()>),
}

pub(crate) struct ChildProcess {
    handle: ProcessHandle,
    pid: u32,
    watch: Arc<ProcessWatch>,
    output: Output,
    /// The memory peak of this process when it executed the child, which inherits it. A fork has its own.
    own_peak: u64,
    /// The memory peak, if the process was killed by [`Child::kill`].
    peak: Option<MemoryPeak>,
    cgroup: Option<WorkerCgroup>,
}

/// What reaps a process.
pub(crate) enum ProcessHandle {
    Executed(process::Child),
    Forked(ForkedProcess),
}

impl ProcessHandle {
    /// Waits for the exit, reaps the process and returns how it exited.
    async fn wait(&mut self, watch: &ProcessWatch) -> Option<ExitStatus> {
        match self {
            ProcessHandle::Executed(child) => child.wait().await.ok(),
            ProcessHandle::Forked(process) => {
                if process.reap().is_none() {
                    watch.exited().await;
                }
                process.reap()
            }
        }
    }
}

/// The facts about a process after its end. All fields are empty for a thread.
#[derive(Default)]
pub(crate) struct Ending {
    pub(crate) peak: Option<MemoryPeak>,
    /// Whether the process was ended by a signal that others send: an operator, the system, or the kernel
    /// when the machine is out of memory.
    pub(crate) is_from_outside: bool,
    /// Whether the kernel killed the process because its cgroup reached the memory limit.
    pub(crate) exceeded_memory: bool,
    /// The cgroup, which has to be removed.
    pub(crate) cgroup: Option<WorkerCgroup>,
}

/// The most memory that a worker has used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemoryPeak {
    pub(crate) bytes: u64,
    /// If false, `bytes` is only an upper bound.
    pub(crate) is_exact: bool,
}

impl ChildProcess {
    pub(crate) fn new(handle: ProcessHandle, pid: u32, output: Output, cgroup: Option<WorkerCgroup>) -> Self {
        let watch = Arc::new(ProcessWatch::new(pid));
        let own_peak = match handle {
            ProcessHandle::Executed(_) => platform::peak_bytes(std::process::id()).unwrap_or(0),
            ProcessHandle::Forked(_) => 0,
        };
        ChildProcess { handle, pid, watch, output, own_peak, peak: None, cgroup }
    }
}

impl Child {
    /// Waits for the exit of a process; never returns for a thread.
    pub(crate) async fn exited(&self) {
        match self {
            Child::Thread(_) => std::future::pending().await,
            Child::Process(process) => process.watch.exited().await,
        }
    }

    /// Returns what watches the process; `None` for a thread.
    pub(crate) fn process_watch(&self) -> Option<Arc<ProcessWatch>> {
        match self {
            Child::Thread(_) => None,
            Child::Process(process) => Some(Arc::clone(&process.watch)),
        }
    }

    /// Kills a process; `peak` is the most memory that it has used, if it was killed already.
    pub(crate) fn kill(&mut self, peak: Option<u64>) {
        if let Child::Process(process) = self {
            // Read before the kill, because after the exit the peak is less exact.
            let bytes = peak.or_else(|| platform::peak_bytes(process.pid));
            process.peak = bytes.map(|bytes| MemoryPeak { bytes, is_exact: true });
            process.watch.kill();
        }
    }

    /// Kills a process, after a grace period if it may exit by itself, and waits. A thread cannot be killed.
    pub(crate) async fn end(&mut self, closed: Closed, stop_grace: Duration) -> Ending {
        let Child::Process(process) = self else {
            return Ending::default();
        };
        let grace = match closed {
            // The closed lifeline has told the process to exit.
            _ if closed.is_polite() => stop_grace,
            Closed::Exited => EXIT_GRACE,
            Closed::Killed(_) => Duration::ZERO,
        };
        let has_exited = timeout(grace, process.watch.exited()).await.is_ok();
        process.watch.kill();
        let mut peak = process.peak;
        if peak.is_none() {
            let bytes = process.watch.peak_bytes().await;
            peak = bytes.map(|bytes| MemoryPeak { bytes, is_exact: bytes > process.own_peak });
        }
        let status = process.handle.wait(&process.watch).await;
        let signal = status.and_then(|status| status.signal());
        let cgroup = process.cgroup.take();
        let memory_use = cgroup.as_ref().map(WorkerCgroup::memory_use).unwrap_or_default();
        Ending {
            peak: memory_use.peak.map(|bytes| MemoryPeak { bytes, is_exact: true }).or(peak),
            is_from_outside: has_exited
                && closed == Closed::Exited
                && !memory_use.is_over
                && signal.and_then(platform::signal_name).is_some_and(|name| SIGNALS_OF_OTHERS.contains(&name)),
            exceeded_memory: memory_use.is_over,
            cgroup,
        }
    }

    pub(crate) fn has_cgroup(&self) -> bool {
        matches!(self, Child::Process(process) if process.cgroup.is_some())
    }

    /// Waits for the exit and returns how the process exited; `None` for a thread.
    pub(crate) async fn into_exit(self) -> Option<Exit> {
        match self {
            Child::Thread(has_ended) => {
                let _ = has_ended.await;
                None
            }
            Child::Process(process) => {
                let ChildProcess { mut handle, watch, output, .. } = *process;
                let status = handle.wait(&watch).await;
                let (code, signal) = status.map_or((None, None), |status| (status.code(), status.signal()));
                Some(Exit { code, signal, stderr: output.finish().await })
            }
        }
    }
}
