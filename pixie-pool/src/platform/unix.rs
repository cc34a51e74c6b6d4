//! All Unix systems: signals, process groups, limits, descriptors, and what tokio's socket lacks.
//!
//! Invariant: one operation per `unsafe` block, each with the reason why it is sound.

use std::{
    ffi::c_int,
    fs::{self, File},
    io,
    os::{
        fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd},
        unix::{fs::MetadataExt as _, process::ExitStatusExt as _},
    },
    path::Path,
    process::ExitStatus,
    sync::OnceLock,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{BufMut as _, BytesMut};
use rustix::{
    buffer::spare_capacity,
    event::{PollFd, PollFlags, Timespec},
    mm::{MapFlags, ProtFlags},
    net::RecvFlags,
    process::{Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, WaitOptions, waitid, waitpid},
};
use tokio::net::UnixStream;

use crate::config::{OWN_DESCRIPTORS_MIN, PROCESS_CHECK_INTERVAL};

/// Writes as many bytes as fit into the socket's buffer; if it is full, wakes the task later.
pub(crate) fn poll_write(stream: &UnixStream, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(cx))?;
        match stream.try_write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            other => return Poll::Ready(other),
        }
    }
}

/// Closes both directions of the connection for both sides, also if other descriptors of the socket are open.
pub(crate) fn hang_up(stream: &UnixStream) {
    // An error means that the other side has closed it.
    let _ = rustix::net::shutdown(stream, rustix::net::Shutdown::Both);
}

/// Waits for bytes and adds as many to `target` as it has room for; returns 0 at the end.
pub(crate) fn read_into(stream: impl AsFd, target: &mut BytesMut) -> io::Result<usize> {
    let (bytes, _) = rustix::io::read(stream, target.spare_capacity_mut())?;
    let count = bytes.len();
    // SAFETY: the call has initialized so many bytes behind the present end.
    unsafe { target.advance_mut(count) };
    Ok(count)
}

/// Adds what has arrived to a vector that has room, without waiting; returns whether bytes, or the end, have.
pub(crate) fn read_arrived(stream: impl AsFd, target: &mut Vec<u8>) -> io::Result<bool> {
    match rustix::net::recv(stream, spare_capacity(target), RecvFlags::DONTWAIT) {
        Ok(_) => Ok(true),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Waits until bytes have arrived or the time has passed; returns whether there are some, or the end.
pub(crate) fn has_input(stream: impl AsFd, time: Duration) -> io::Result<bool> {
    let time = Timespec { tv_sec: time.as_secs() as i64, tv_nsec: time.subsec_nanos().into() };
    let mut polled = [PollFd::new(&stream, PollFlags::IN)];
    match rustix::event::poll(&mut polled, Some(&time)) {
        Err(rustix::io::Errno::INTR) => Ok(true),
        count => Ok(count? > 0),
    }
}

/// Waits until one of two sockets has input or its end, and returns whether each of them does. The first is
/// reported as well if it was closed.
pub(crate) fn wait_for_input(one: impl AsFd, other: Option<BorrowedFd<'_>>) -> io::Result<(bool, bool)> {
    let (one, other) = (
        PollFd::from_borrowed_fd(one.as_fd(), PollFlags::IN),
        other.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)),
    );
    let mut polled: Vec<_> = [Some(one), other].into_iter().flatten().collect();
    match rustix::event::poll(&mut polled, None) {
        Err(rustix::io::Errno::INTR) => Ok((false, false)),
        Err(errno) => Err(errno.into()),
        Ok(_) => {
            let mut found = polled.iter().map(|polled| !polled.revents().is_empty());
            Ok((found.next().unwrap_or(false), found.next().unwrap_or(false)))
        }
    }
}

/// Returns whether bytes have arrived that were not read.
pub(crate) fn has_arrived(stream: impl AsFd) -> bool {
    let mut byte = [0];
    rustix::net::recv(stream, &mut byte, RecvFlags::DONTWAIT | RecvFlags::PEEK).is_ok_and(|(count, _)| count > 0)
}

/// Kills every process of the group that `leader` leads.
pub(crate) fn kill_group(leader: u32) {
    if let Some(pid) = Pid::from_raw(leader as i32) {
        // An error means that all of them have exited.
        let _ = rustix::process::kill_process_group(pid, Signal::KILL);
    }
}

/// Waits until a process that this one has started has exited, without reaping it, by checking at intervals.
pub(crate) async fn ended(pid: u32) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    // An error means that the process was reaped.
    while let Some(pid) = Pid::from_raw(pid as i32)
        && let Ok(None) = waitid(WaitId::Pid(pid), options)
    {
        tokio::time::sleep(PROCESS_CHECK_INTERVAL).await;
    }
}

/// Exits at once, without running other code, and kills the process group if this process leads one.
pub(crate) fn exit_now() -> ! {
    if rustix::process::getpgrp() == rustix::process::getpid() {
        let _ = rustix::process::kill_current_process_group(Signal::KILL);
    }
    // SAFETY: `_exit` accepts any number, runs no code of this process and does not return.
    unsafe { libc::_exit(0) }
}

/// Exits at once, without running other code. The process group goes on.
pub(crate) fn exit_alone() -> ! {
    // SAFETY: as in `exit_now`.
    unsafe { libc::_exit(0) }
}

/// A child of this process that its fork server has made.
#[derive(Debug)]
pub(crate) struct ForkedProcess {
    pid: u32,
    status: Option<ExitStatus>,
    /// Its process group is killed when this is closed: see `end_with`.
    _end: OwnedFd,
}

impl ForkedProcess {
    pub(crate) fn new(pid: u32, end: OwnedFd) -> Self {
        ForkedProcess { pid, status: None, _end: end }
    }

    /// Reaps the process, which has exited, and returns how.
    pub(crate) fn reap(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = reap(self.pid, WaitOptions::NOHANG);
        }
        self.status
    }
}

impl Drop for ForkedProcess {
    /// Kills a process that was not reaped, because the runtime has ended before it.
    fn drop(&mut self) {
        if self.reap().is_some() {
            return;
        }
        let pid = self.pid;
        if let Some(pid) = Pid::from_raw(pid as i32) {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
        kill_group(pid);
        // A killed process may need a moment. Without a thread it is reaped when this process exits.
        let _ = std::thread::Builder::new().spawn(move || reap(pid, WaitOptions::empty()));
    }
}

fn reap(pid: u32, options: WaitOptions) -> Option<ExitStatus> {
    let (_, status) = waitpid(Pid::from_raw(pid as i32), options).ok()??;
    Some(ExitStatus::from_raw(status.as_raw()))
}

/// Makes a copy of a process a worker: with a process group and an output of its own.
pub(crate) fn become_forked(stdout: &OwnedFd, stderr: &OwnedFd) -> io::Result<()> {
    rustix::process::setpgid(None, None)?;
    rustix::stdio::dup2_stdout(stdout)?;
    Ok(rustix::stdio::dup2_stderr(stderr)?)
}

extern "C" fn ignore(_: c_int) {}

/// Makes this process ignore signals that ask it to exit. Terminals and service managers signal all
/// processes, and the parent decides when a worker exits.
///
/// Installs an empty handler, because programs that a job starts would inherit `SIG_IGN`.
pub(crate) fn calm_signals() {
    [libc::SIGINT, libc::SIGTERM, libc::SIGHUP].into_iter().for_each(calm_signal);
    // SAFETY: `SIG_IGN` is a valid action for SIGPIPE; std resets it for programs that a job starts.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

fn calm_signal(signal: c_int) {
    // SAFETY: all-zero bytes are a valid `sigaction` with an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = ignore as extern "C" fn(c_int) as libc::sighandler_t;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: `action` is initialized and lives through the call; `ignore` does not access memory.
    unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) };
}

/// Returns whether this process ignores SIGHUP, as `nohup` arranges. False after a handler was installed.
pub fn ignores_hangup() -> bool {
    // SAFETY: all-zero bytes are a valid `sigaction`.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: a null pointer leaves the action as it is, and `action` lives through the call.
    let done = unsafe { libc::sigaction(libc::SIGHUP, std::ptr::null(), &mut action) };
    done == 0 && action.sa_sigaction == libc::SIG_IGN
}

/// Passes descriptors to a program, numbered from 3 in their order, as systemd passes sockets.
///
/// Only this program gets them: in this process they stay closed for programs that other threads start.
pub fn pass_descriptors(command: &mut std::process::Command, descriptors: &[OwnedFd]) -> io::Result<()> {
    const FIRST: c_int = 3;
    let first_free = FIRST + descriptors.len() as c_int;
    // Copies with higher numbers, so that no descriptor is replaced before it was passed.
    let copy = |descriptor| rustix::io::fcntl_dupfd_cloexec(descriptor, first_free);
    let copies = descriptors.iter().map(copy).collect::<Result<Vec<OwnedFd>, _>>()?;
    let pass = move || {
        for (copy, number) in copies.iter().zip(FIRST..) {
            // SAFETY: runs in the new process only, where no value owns the number yet.
            if unsafe { libc::dup2(copy.as_raw_fd(), number) } < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: the closure only calls `dup2`, which is safe after a fork, and does not allocate.
    unsafe { std::os::unix::process::CommandExt::pre_exec(command, pass) };
    Ok(())
}

/// Returns an error if the file of this program is not the one that the first call has found: a worker
/// started from another file would run other code. Only for systems and programs that cannot be started from
/// the running image.
pub(crate) fn check_unchanged(program: &Path) -> io::Result<()> {
    static FIRST: OnceLock<(u64, u64, i64, i64)> = OnceLock::new();
    let stamp = fs::metadata(program).map(|file| (file.dev(), file.ino(), file.mtime(), file.mtime_nsec()));
    match stamp {
        Ok(stamp) if *FIRST.get_or_init(|| stamp) == stamp => Ok(()),
        _ => Err(io::Error::other(format!(
            "the program {} was replaced since this server has started: reload or restart the server",
            program.display()
        ))),
    }
}

/// Removes a variable, so that the programs that a job starts ignore it.
pub(crate) fn forget_variable(variable: &str) {
    if super::threads() == 1 {
        // SAFETY: this process has one thread, so no other thread reads the environment at the same time.
        unsafe { std::env::remove_var(variable) };
    }
}

/// Turns core files off: a core file of every crash would fill the disk.
pub(crate) fn no_core_dumps() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    // Lowering the limit of a known resource cannot fail; if it does, core files are written as configured.
    let _ = rustix::process::setrlimit(Resource::Core, none);
}

/// Limits the private memory of this process, in bytes. Fails if the limit leaves no room for so many more.
pub(crate) fn limit_memory(bytes: u64, room: usize) -> io::Result<()> {
    lower(Resource::Data, bytes)?;
    let (access, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
    // SAFETY: the kernel chooses an unused address.
    let start = unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), room, access, flags) }?;
    // SAFETY: the mapping was just made, and no reference to it exists.
    Ok(unsafe { rustix::mm::munmap(start, room) }?)
}

/// Limits the size of files that this process writes, in bytes. A write beyond the limit fails.
pub(crate) fn limit_file_size(bytes: u64) -> io::Result<()> {
    calm_signal(libc::SIGXFSZ);
    lower(Resource::Fsize, bytes)
}

/// Limits the open descriptors of this process.
pub(crate) fn limit_open_files(count: u64) -> io::Result<()> {
    lower(Resource::Nofile, count)
}

/// Sets a limit, unless the present limit is lower.
fn lower(resource: Resource, wanted: u64) -> io::Result<()> {
    let limit = rustix::process::getrlimit(resource).maximum.map_or(wanted, |maximum| maximum.min(wanted));
    Ok(rustix::process::setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?)
}

/// Takes what the parent has connected to stdin, and puts `/dev/null` there.
pub(crate) fn take_stdin() -> io::Result<OwnedFd> {
    let taken = out_of_the_way(io::stdin())?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(taken)
}

/// Returns a copy of a descriptor, with a number that is not given to a handler's next file if the handler
/// closes all descriptors that it does not know.
pub(crate) fn out_of_the_way(descriptor: impl AsFd) -> io::Result<OwnedFd> {
    let copy = rustix::io::fcntl_dupfd_cloexec(&descriptor, OWN_DESCRIPTORS_MIN);
    // Fails with a very low limit of descriptors.
    copy.or_else(|_| rustix::io::fcntl_dupfd_cloexec(&descriptor, 3)).map_err(io::Error::from)
}

/// A lock on a directory. The kernel releases it when this process exits for any reason.
#[derive(Debug)]
pub(crate) struct DirectoryLock(File);

impl DirectoryLock {
    /// Locks a directory; `None` if it is locked already, belongs to another user, or does not exist.
    pub(crate) fn try_lock(path: &Path) -> io::Result<Option<Self>> {
        match DirectoryLock::lock(path) {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotFound) => Ok(None),
            other => other,
        }
    }

    fn lock(path: &Path) -> io::Result<Option<Self>> {
        let before = fs::symlink_metadata(path)?;
        if !before.is_dir() || before.uid() != rustix::process::geteuid().as_raw() {
            return Ok(None);
        }
        let directory = File::open(path)?;
        directory.try_lock()?;
        // Another process may have removed it between the two calls.
        Ok(Some(DirectoryLock(directory)).filter(|lock| lock.is_at(path)))
    }

    /// Returns whether the locked directory is still the one at this path.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        let (found, held) = (fs::symlink_metadata(path), self.0.metadata());
        found.is_ok_and(|found| held.is_ok_and(|held| found.dev() == held.dev() && found.ino() == held.ino()))
    }
}

/// Returns the name of a signal that may end a process.
pub(crate) fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        libc::SIGABRT => "SIGABRT",
        libc::SIGALRM => "SIGALRM",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGHUP => "SIGHUP",
        libc::SIGILL => "SIGILL",
        libc::SIGINT => "SIGINT",
        libc::SIGKILL => "SIGKILL",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGSYS => "SIGSYS",
        libc::SIGTERM => "SIGTERM",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGUSR1 => "SIGUSR1",
        libc::SIGUSR2 => "SIGUSR2",
        libc::SIGXCPU => "SIGXCPU",
        libc::SIGXFSZ => "SIGXFSZ",
        _ => return None,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
mod tests;
