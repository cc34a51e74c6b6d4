//! Linux: pidfds, close_range, getrandom.
//!
//! Owns what only Linux has; `unix` owns the rest. Invariant: a process is signaled through its pidfd, so
//! that a process that has got the same pid is not signaled.

mod cgroup;
mod claims;
mod fork;
mod init;
mod lifeline;
mod passing;
mod process_stats;
mod queue;
#[cfg(all(feature = "sandbox", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) mod sandbox;
mod shared_memory;
mod words;

use std::{
    env,
    ffi::OsString,
    fs, io,
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::{ffi::OsStringExt as _, fs::MetadataExt as _},
    },
    path::Path,
    time::Duration,
};

use crate::config::OOM_SCORE_RAISE;
use interprocess::{local_socket::ListenerOptions, os::unix::local_socket::ListenerOptionsExt as _};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::{Interest, unix::AsyncFd};

pub(crate) use self::{
    cgroup::{Cgroups, WorkerCgroup, available_bytes},
    claims::{ClaimWriter, Claims},
    fork::{check_forkable, flush_output, fork_beside, wait_for_main_thread},
    init::reap_as_init,
    lifeline::{LifelineEnds, end_with, receive_message},
    passing::{receive_with_descriptors, send_with_descriptors},
    process_stats::{peak_bytes, resident_bytes, shared_resident_bytes, thread_ids, thread_state},
    queue::{QueueMemory, QueueReader, TakenBack},
    shared_memory::SharedMemory,
};

/// Watches and kills one process.
#[derive(Debug)]
pub(crate) struct ProcessWatch {
    pid: u32,
    pidfd: Option<AsyncFd<OwnedFd>>,
}

impl ProcessWatch {
    /// Watches a process that this one has started and not reaped.
    pub(crate) fn new(pid: u32) -> Self {
        let pidfd =
            Pid::from_raw(pid as i32).and_then(|pid| pidfd_open(pid, PidfdFlags::NONBLOCK).ok()).and_then(register);
        ProcessWatch { pid, pidfd }
    }

    /// Kills the process and its process group; the process must not have been reaped.
    pub(crate) fn kill(&self) {
        if let Some(pidfd) = &self.pidfd {
            // An error means that the process has exited.
            let _ = pidfd_send_signal(pidfd.get_ref(), Signal::KILL);
        }
        super::unix::kill_group(self.pid);
    }

    /// Waits until the process has exited, without reaping it.
    pub(crate) async fn exited(&self) {
        match &self.pidfd {
            Some(pidfd) => {
                let _ = pidfd.readable().await;
            }
            // A kernel before Linux 5.3, or a container that behaves like one.
            None => super::unix::ended(self.pid).await,
        }
    }

    /// Waits until the process has exited, without reaping it, and returns the peak of its memory in bytes.
    ///
    /// A process inherits the peak of its parent, so a value up to the parent's peak is only an upper bound.
    pub(crate) async fn peak_bytes(&self) -> Option<u64> {
        let pidfd = self.pidfd.as_ref()?;
        let _ = pidfd.readable().await;
        // SAFETY: all-zero bytes are a valid `rusage`.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        let (fd, options) = (pidfd.get_ref().as_raw_fd(), libc::WEXITED | libc::WNOHANG | libc::WNOWAIT);
        let nowhere = std::ptr::null_mut::<libc::siginfo_t>();
        // The system call, because libc's `waitid` lacks the last argument.
        // SAFETY: the descriptor is open, the kernel accepts a null `siginfo_t`, and `usage` outlives it.
        let done = unsafe { libc::syscall(libc::SYS_waitid, libc::P_PIDFD, fd, nowhere, options, &raw mut usage) };
        let kib = u64::try_from(usage.ru_maxrss).ok().filter(|kib| done == 0 && *kib > 0)?;
        kib.checked_mul(1024)
    }
}

fn register(pidfd: OwnedFd) -> Option<AsyncFd<OwnedFd>> {
    // SAFETY: the `AsyncFd` owns the open descriptor and closes it only when it is dropped.
    unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) }.ok()
}

/// Returns what the program loader got before the arguments of this program, if it was started as a
/// command of its own (`ld-linux.so --library-path lib ./app`), as bundled programs are: the running image
/// is the loader.
pub fn loader_arguments() -> Vec<OsString> {
    let line = fs::read("/proc/self/cmdline").unwrap_or_default();
    let line = line.strip_suffix(b"\0").unwrap_or(&line).split(|byte| *byte == 0);
    let all: Vec<OsString> = line.map(|word| OsString::from_vec(word.to_vec())).collect();
    let own: Vec<OsString> = env::args_os().collect();
    let before = all.len().saturating_sub(own.len());
    // Some programs overwrite their command line.
    let is_complete = before > 0 && all[before + 1..] == own[1..];
    if is_complete { all[1..=before].to_vec() } else { Vec::new() }
}

/// Returns the file of this program: the running image, also after a deployment has replaced the file. If a
/// program loader is the running image, it reads the program's file again, so a replaced one is an error.
pub(crate) fn own_executable() -> io::Result<OsString> {
    if let Some(program) = loader_arguments().last() {
        super::unix::check_unchanged(Path::new(program))?;
    }
    let image = Path::new("/proc/self/exe");
    match fs::symlink_metadata(image) {
        Ok(_) => Ok(image.into()),
        Err(_) => Ok(std::env::current_exe()?.into()),
    }
}

/// Closes every descriptor above stderr, unless other threads, such as a runtime's, may be using them.
pub(crate) fn close_inherited() {
    if threads() == 1 {
        // SAFETY: the program has just started and has one thread, so no value owns these descriptors.
        // A kernel without the call returns an error; then the descriptors stay open.
        let _ = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) };
    }
}

/// Returns how many threads this process has; 0 if that cannot be read.
pub(crate) fn threads() -> usize {
    // A folder has two links and one for each folder in it. Reading the folder takes ten times as long.
    match fs::metadata("/proc/self/task").map(|folder| folder.nlink()) {
        Ok(links @ 3..) => links as usize - 2,
        _ => fs::read_dir("/proc/self/task").map_or(0, Iterator::count),
    }
}

/// Returns random bytes that cannot be predicted, at most 256, because one call returns that many.
pub(crate) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(bytes)
}

/// Shows the pool and the number in process lists.
pub(crate) fn set_process_name(name: &str) {
    if let Ok(name) = std::ffi::CString::new(name) {
        // The name only helps operators, so an error does not matter.
        let _ = rustix::thread::set_name(&name);
    }
}

/// Makes the kernel kill this process before its parent if the machine runs out of memory.
pub(crate) fn give_way_when_memory_is_short() {
    let path = "/proc/self/oom_score_adj";
    let own = fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<i32>().ok()).unwrap_or(0);
    // Raising the value needs no rights. Without /proc, the kernel decides by size alone.
    let _ = fs::write(path, (own + OOM_SCORE_RAISE).min(1000).to_string());
}

/// Makes the socket inaccessible for other users from its creation.
pub(crate) fn private_socket(options: ListenerOptions<'_>) -> ListenerOptions<'_> {
    options.mode(0o600)
}

/// Returns whether workers can read one queue.
pub(crate) fn has_queue() -> bool {
    true
}

/// Whether worker processes get shared data.
pub(crate) const SHARES_WITH_WORKERS: bool = true;

/// Whether [`cpu_time`] works on this system.
pub(crate) const HAS_CPU_CLOCKS: bool = true;

/// Returns the CPU time of all threads of a process that was not reaped.
pub(crate) fn cpu_time(pid: u32) -> Option<Duration> {
    let mut clock: libc::clockid_t = 0;
    // SAFETY: the call accepts any pid, and `clock` lives through it.
    let found = unsafe { libc::clock_getcpuclockid(pid as libc::pid_t, &mut clock) };
    if found != 0 {
        return None;
    }
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` lives through the call, which returns an error if the process has been reaped.
    let read = unsafe { libc::clock_gettime(clock, &mut time) };
    (read == 0).then(|| Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_exit_of_a_process_is_seen_without_reaping_it_also_without_a_pidfd() {
        let mut process = std::process::Command::new("sh").args(["-c", "exit 5"]).spawn().unwrap();
        ProcessWatch { pid: process.id(), pidfd: None }.exited().await;
        ProcessWatch::new(process.id()).exited().await;
        assert_eq!(process.wait().unwrap().code(), Some(5));
    }
}
