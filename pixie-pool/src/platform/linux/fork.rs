//! A copy of this process that becomes a child of its parent, so that the parent waits for it as for a process
//! that it has executed.
//!
//! Owns the system call and what the C library remembers about the thread that is copied. Invariant: no thread
//! but this one runs, and the main thread waits outside of all locks, because the locks of other threads would
//! stay locked in the copy.

use std::{
    ffi::c_int,
    io::{self, Write as _},
};

use crate::platform::{self, linux::process_stats::is_sleeping};

/// The processors whose `clone` takes its arguments in the order that is used here.
const HAS_KNOWN_CLONE: bool = cfg!(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    target_arch = "riscv64",
    target_arch = "x86",
    target_arch = "arm"
));

/// Returns an error if this process cannot be copied, now and later, because it has other threads than the one
/// that copies it and so many that wait.
pub(crate) fn check_forkable(waiting: usize) -> io::Result<()> {
    let why = match platform::threads().saturating_sub(waiting) {
        _ if !HAS_KNOWN_CLONE => "workers are not forked on this processor".to_owned(),
        1 => return Ok(()),
        0 => "the number of its threads is not known, because /proc is missing".to_owned(),
        count => format!(
            "it has {count} threads, and only a process with one thread can be forked: start threads and runtimes in \
             jobs, or after `run()`"
        ),
    };
    Err(io::Error::new(io::ErrorKind::Unsupported, why))
}

/// Waits until the main thread waits, for this thread to end: it has released all locks before.
pub(crate) fn wait_for_main_thread() {
    let main = std::process::id();
    while !is_sleeping(main, main.into()) {
        std::thread::yield_now();
    }
}

/// Copies this process with this thread only, which is not the main one: `Some` with the pid in this process,
/// `None` in the copy.
///
/// The C library's `fork` cannot choose the parent. What it does besides the copy is for programs with
/// threads, except for handlers of `pthread_atfork`, which do not run. Not `clone3`, which containers often
/// forbid.
pub(crate) fn fork_beside() -> io::Result<Option<u32>> {
    check_forkable(1)?;
    let (address, remembering) = match cached_thread_id() {
        Some(address) => (address, libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID),
        None => (std::ptr::null_mut(), 0),
    };
    let flags = (libc::CLONE_PARENT | remembering | libc::SIGCHLD) as libc::c_ulong;
    let (same_stack, unused) = (std::ptr::null_mut::<u8>(), std::ptr::null_mut::<c_int>());
    // The address stands for two arguments, because processors differ in their order. The other one is unused.
    // SAFETY: no other thread runs and the copy has memory of its own, so both go on here as after `fork`. The
    // kernel writes only to the address, which the C library gave it for this purpose.
    match unsafe { libc::syscall(libc::SYS_clone, flags, same_stack, unused, address, address) } {
        0 => Ok(None),
        pid @ 1.. => Ok(Some(pid as u32)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Returns where the C library remembers the id of this thread, if it does: glibc compares it in locks.
fn cached_thread_id() -> Option<*mut c_int> {
    let mut address: *mut c_int = std::ptr::null_mut();
    // SAFETY: the kernel writes one pointer to `address`, or returns an error.
    let known = unsafe { libc::prctl(libc::PR_GET_TID_ADDRESS, &raw mut address) } == 0;
    if !known || address.is_null() {
        return None;
    }
    // SAFETY: the C library has given the kernel this address of an aligned number that lives as long as the
    // thread.
    let id = unsafe { address.read_volatile() };
    // Another C library has a lock there.
    (id == rustix::thread::gettid().as_raw_nonzero().get()).then_some(address)
}

/// Writes out what was printed, so that copies of this process do not print it again.
pub(crate) fn flush_output() {
    let _ = io::stdout().flush();
    // SAFETY: a null pointer means all streams of the C library.
    unsafe { libc::fflush(std::ptr::null_mut()) };
}
