//! What differs between systems, one file each, with equal function names.
//!
//! Owns processes, signals, limits, random bytes, locks on directories and the two socket operations that the portable
//! crates lack. Rule: `cfg` and `unsafe` stand nowhere else in this crate.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod no_cgroup;
#[cfg(unix)]
mod unix;
#[cfg(target_os = "linux")]
mod vitals;
#[cfg(not(target_os = "linux"))]
#[path = "platform/vitals/absent.rs"]
mod vitals;

#[cfg(target_os = "linux")]
pub(crate) use linux::cgroup::{Cgroups, WorkerCgroup};
#[cfg(target_os = "linux")]
pub(crate) use linux::{
    HAS_CPU_CLOCKS, ProcessWatch, close_inherited, cpu_time, own_executable, random, restrict, restrict_thread,
    set_process_name, socket_options, threads,
};
#[cfg(not(target_os = "linux"))]
pub(crate) use no_cgroup::{Cgroups, WorkerCgroup};
#[cfg(unix)]
pub(crate) use unix::{
    DirectoryLock, Leash, Lifeline, Mark, MarkReader, ReadHalf, WriteHalf, calm_signals, create_private_directory,
    exit_now, exit_of, hang_up, is_socket, isolate, kill_group, limit_file_size, limit_memory, limit_open_files,
    name_command, no_core_dumps, own_group, path_of, poll_write, read_arrived, register_socket, signal_name, split,
    take_lifeline, write_all,
};
#[cfg(all(unix, not(target_os = "linux")))]
pub(crate) use unix::{
    HAS_CPU_CLOCKS, ProcessWatch, close_inherited, cpu_time, own_executable, random, restrict, restrict_thread,
    set_process_name, socket_options, threads,
};
pub(crate) use vitals::{peak_bytes, posture, resident_bytes};

/// Whether this crate was built with what a sandbox needs, where the system has that.
pub(crate) const HAS_SANDBOX_FEATURE: bool = cfg!(feature = "sandbox");

/// Why no worker can have a cgroup.
#[derive(Debug)]
pub(crate) enum NoCgroups {
    /// This process may not make any, for this reason.
    NotDelegated(String),
    /// It may, and could not.
    Failed(String),
}

/// What a worker's cgroup says of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MemoryToll {
    /// The most bytes that were counted against the limit at a time, where the kernel tells (Linux 5.19).
    pub(crate) peak: Option<u64>,
    /// Whether the kernel has ended it because it wanted more.
    pub(crate) is_over: bool,
}
