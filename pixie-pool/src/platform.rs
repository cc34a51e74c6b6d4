//! What differs between operating systems, and every call that needs `unsafe`.
//!
//! Owns processes and their copies, signals, limits, random bytes, locks on directories, the shared queue with its claims,
//! and the socket operations that tokio lacks. `linux` and `elsewhere` have equal function names.
//! Invariant: the rest of this crate has no
//! `unsafe` and no `cfg` for a system.

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;
mod unix;

use std::time::{Duration, Instant};

#[cfg(not(target_os = "linux"))]
use elsewhere as system;
#[cfg(target_os = "linux")]
use linux as system;

#[cfg(all(feature = "sandbox", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) use linux::sandbox::restrict;
pub use system::loader_arguments;
pub(crate) use system::{
    Cgroups, ClaimWriter, Claims, HAS_CPU_CLOCKS, LifelineEnds, ProcessWatch, QueueMemory, QueueReader,
    SHARES_WITH_WORKERS, SharedMemory, TakenBack, WorkerCgroup, available_bytes, check_forkable, close_inherited,
    cpu_time, end_with, flush_output, fork_beside, give_way_when_memory_is_short, has_queue, own_executable,
    peak_bytes, private_socket, random, reap_as_init, receive_message, receive_with_descriptors, resident_bytes,
    send_with_descriptors, set_process_name, shared_resident_bytes, thread_ids, thread_state, threads,
    wait_for_main_thread,
};
pub(crate) use unix::{
    DirectoryLock, ForkedProcess, become_forked, calm_signals, exit_alone, exit_now, forget_variable, hang_up,
    has_arrived, has_input, limit_file_size, limit_memory, limit_open_files, no_core_dumps, out_of_the_way, poll_write,
    read_arrived, read_into, signal_name, take_stdin, wait_for_input,
};
pub use unix::{ignores_hangup, pass_descriptors};

/// Whether this crate was built with the feature `sandbox`.
pub(crate) const HAS_SANDBOX_FEATURE: bool = cfg!(feature = "sandbox");

/// Reports that no part of a sandbox is in force: a required one is refused and another one is logged.
#[cfg(not(all(feature = "sandbox", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
pub(crate) fn restrict(_: &crate::sandbox::Sandbox, _: bool) -> std::io::Result<crate::sandbox::SandboxLevel> {
    Ok(crate::sandbox::SandboxLevel::default())
}

/// When a worker has claimed a job.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    pub(crate) at: Instant,
    /// The CPU time of the worker at that moment; 0 unless the pool limits it.
    pub(crate) cpu: Duration,
}

/// Why workers have no cgroups.
#[derive(Debug)]
pub(crate) enum NoCgroups {
    /// This process is not allowed to create cgroups, for this reason.
    NotDelegated(String),
    /// Creating cgroups is allowed, but failed.
    Failed(String),
}

/// The limits of a worker's cgroup.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// In bytes.
    pub(crate) memory: u64,
    /// Threads and processes together.
    pub(crate) threads: Option<usize>,
}

/// The memory use of a worker, as its cgroup reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MemoryUse {
    /// The largest number of bytes that the kernel has counted at a time (Linux 5.19).
    pub(crate) peak: Option<u64>,
    /// Whether the kernel has killed the worker because it needed more than its limit.
    pub(crate) is_over: bool,
}

/// What one thread does.
#[derive(Debug, Default)]
pub(crate) struct ThreadState {
    /// `R` for running, `S` for waiting, `D` for waiting for a device, `T` for stopped.
    pub(crate) state: Option<char>,
    /// The kernel function in which the thread waits.
    pub(crate) waits_in: Option<String>,
    /// CPU time of the whole process.
    pub(crate) cpu: Option<Duration>,
}
