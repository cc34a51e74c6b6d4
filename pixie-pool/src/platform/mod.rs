//! What differs between systems, one file each, with equal function names.
//!
//! Owns processes, signals, limits, random bytes, locks on directories and the two socket operations that the portable
//! crates lack. Rule: `cfg` and `unsafe` stand nowhere else in this crate.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(unix)]
mod unix;
#[cfg(target_os = "linux")]
mod vitals;
#[cfg(not(target_os = "linux"))]
#[path = "vitals/absent.rs"]
mod vitals;

#[cfg(target_os = "linux")]
pub(crate) use linux::{ProcessWatch, close_inherited, own_executable, random, set_process_name, socket_options};
#[cfg(unix)]
pub(crate) use unix::{
    DirectoryLock, Leash, Lifeline, Mark, MarkReader, ReadHalf, WriteHalf, calm_signals, create_private_directory,
    exit_now, exit_of, hang_up, is_socket, isolate, kill_group, limit_memory, name_command, no_core_dumps, own_group,
    poll_write, read_arrived, signal_name, split, take_lifeline, write_all,
};
#[cfg(all(unix, not(target_os = "linux")))]
pub(crate) use unix::{ProcessWatch, close_inherited, own_executable, random, set_process_name, socket_options};
pub(crate) use vitals::{peak_bytes, posture, resident_bytes};
