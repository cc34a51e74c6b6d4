//! What differs between operating systems, with one file per system and equal function names.
//!
//! Owns processes, signals, limits, random bytes, locks on directories and the two socket operations that the
//! portable crates lack. Invariant: the rest of this crate has no `unsafe` and no `cfg` for a system.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod no_cgroup;
#[cfg(unix)]
mod unix;
#[cfg(target_os = "linux")]
mod process_stats;
#[cfg(not(target_os = "linux"))]
#[path = "platform/process_stats/absent.rs"]
mod process_stats;

#[cfg(target_os = "linux")]
pub(crate) use linux::cgroup::{Cgroups, WorkerCgroup};
#[cfg(target_os = "linux")]
pub(crate) use linux::{
    HAS_CPU_CLOCKS, ProcessWatch, close_inherited, cpu_time, own_executable, random, restrict, restrict_thread,
    set_process_name, socket_options, threads,
};
#[cfg(not(target_os = "linux"))]
pub(crate) use no_cgroup::{Cgroups, WorkerCgroup};
pub(crate) use process_stats::{peak_bytes, resident_bytes, thread_state};
#[cfg(unix)]
pub(crate) use unix::{
    DirectoryLock, Lifeline, LifelineHolder, Mark, MarkReader, ReadHalf, WriteHalf, calm_signals,
    create_private_directory, exit_now, exit_of, hang_up, is_socket, isolate, kill_group, limit_file_size,
    limit_memory, limit_open_files, name_command, no_core_dumps, own_group, path_of, poll_write, read_arrived,
    register_socket, signal_name, split, take_lifeline, write_all,
};
#[cfg(all(unix, not(target_os = "linux")))]
pub(crate) use unix::{
    HAS_CPU_CLOCKS, ProcessWatch, close_inherited, cpu_time, own_executable, random, restrict, restrict_thread,
    set_process_name, socket_options, threads,
};

/// Whether this crate was built with the feature `sandbox`.
pub(crate) const HAS_SANDBOX_FEATURE: bool = cfg!(feature = "sandbox");

/// Why workers have no cgroups.
#[derive(Debug)]
pub(crate) enum NoCgroups {
    /// This process is not allowed to create cgroups, for this reason.
    NotDelegated(String),
    /// Creating cgroups is allowed, but failed.
    Failed(String),
}

/// The memory use of a worker, as its cgroup reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MemoryUse {
    /// The largest number of bytes that the kernel has counted at a time (Linux 5.19).
    pub(crate) peak: Option<u64>,
    /// Whether the kernel has killed the worker because it needed more than its limit.
    pub(crate) is_over: bool,
}
