//! All Unix systems: signals, process groups, limits, the lifeline, the mark, and what tokio's socket lacks.
//!
//! Invariant: one operation per `unsafe` block, each with the reason why it is sound.

use std::{
    ffi::c_int,
    fs::{self, File},
    io::{self, Read as _, Write as _},
    os::{
        fd::AsFd,
        unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    },
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
    task::{Context, Poll, ready},
};

use rustix::{
    fs::OFlags,
    mm::{MapFlags, ProtFlags},
    net::RecvFlags,
    process::{Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, waitid},
};
use tokio::net::UnixStream;

use crate::config::PROCESS_CHECK_INTERVAL;

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

/// Reads what has arrived, without waiting; `None` if the buffer is empty.
pub(crate) fn read_arrived(stream: impl AsFd, target: &mut [u8]) -> io::Result<Option<usize>> {
    match rustix::net::recv(stream, target, RecvFlags::DONTWAIT) {
        Ok((count, _)) => Ok(Some(count)),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
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

/// Makes a job's files private to the user, and removes the variable, so that a job's programs ignore it.
pub(crate) fn isolate(variable: &str) {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
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

/// Limits the private memory of this process, in bytes.
pub(crate) fn limit_memory(bytes: u64) -> io::Result<()> {
    lower(Resource::Data, bytes)
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

/// The worker's end of the pipe to its parent: reading it ends when the parent exits.
#[derive(Debug)]
pub(crate) struct Lifeline(File);

impl Lifeline {
    /// Returns when the parent has exited; runs `attend` each time the parent asks for attention.
    pub(crate) fn wait(mut self, attend: impl Fn()) {
        let mut byte = [0];
        loop {
            match self.0.read(&mut byte) {
                Ok(0) => return,
                Ok(_) => attend(),
                Err(_) => {}
            }
        }
    }
}

/// The parent's end of the pipe to a worker. Dropping it ends the worker.
#[derive(Debug)]
pub(crate) struct LifelineHolder(File);

impl LifelineHolder {
    pub(crate) fn new(pipe: tokio::process::ChildStdin) -> io::Result<Self> {
        // The conversion makes the pipe blocking, and a worker that does not read would block a write.
        let pipe = pipe.into_owned_fd()?;
        rustix::fs::fcntl_setfl(&pipe, rustix::fs::fcntl_getfl(&pipe)? | OFlags::NONBLOCK)?;
        Ok(LifelineHolder(pipe.into()))
    }

    /// Asks the worker for attention. Does not block, also if the worker does not read.
    pub(crate) fn pull(&self) {
        // Other parts of the pool detect a worker that has exited or does not read.
        let _ = (&self.0).write(&[1]);
    }
}

/// Tells which job a worker has started last, also after the worker has exited.
///
/// Reads a file, because a worker could truncate it, and reading a mapping would then kill this process.
#[derive(Debug)]
pub(crate) struct MarkReader(File);

impl MarkReader {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        // An earlier start of this worker may have left a file.
        let _ = fs::remove_file(path);
        let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        // Writes the bytes instead of setting a length, so that the start fails if the disk is full.
        // Otherwise the worker's first store into the mapping would kill it with SIGBUS.
        file.write_all_at(&[0; MARK_BYTES as usize], 0)?;
        Ok(MarkReader(file))
    }

    /// Returns the stream id of the job; 0 before the first one.
    pub(crate) fn read(&self) -> Option<u32> {
        let mut bytes = [0; MARK_BYTES as usize];
        self.0.read_exact_at(&mut bytes, 0).ok()?;
        Some(u32::from_ne_bytes(bytes))
    }
}

const MARK_BYTES: u64 = 4;

/// The worker's side of the mark: one store into mapped memory per job.
#[derive(Debug)]
pub(crate) struct Mark(&'static AtomicU32);

impl Mark {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        let (access, sharing) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: the kernel chooses an unused address, and the mapping is never removed.
        let page = unsafe { rustix::mm::mmap(std::ptr::null_mut(), MARK_BYTES as usize, access, sharing, &file, 0) }?;
        // SAFETY: the page is aligned, zeroed and never unmapped, and used only through this value.
        Ok(Mark(unsafe { AtomicU32::from_ptr(page.cast()) }))
    }

    /// Records that a job is about to start.
    pub(crate) fn set(&self, stream: u32) {
        self.0.store(stream, Ordering::SeqCst);
    }
}

/// Takes the lifeline from stdin, with the token that the parent has written for this worker only, and puts
/// `/dev/null` there, so that a job's programs do not inherit it.
pub(crate) fn take_lifeline<const N: usize>() -> io::Result<(Lifeline, [u8; N])> {
    let mut lifeline = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    let mut token = [0; N];
    lifeline.read_exact(&mut token)?;
    Ok((Lifeline(lifeline), token))
}

/// A lock on a directory. The kernel releases it when this process exits for any reason.
#[derive(Debug)]
pub(crate) struct DirectoryLock(#[expect(dead_code, reason = "held, never read")] File);

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
        let (after, held) = (fs::symlink_metadata(path)?, directory.metadata()?);
        Ok((after.dev() == held.dev() && after.ino() == held.ino()).then_some(DirectoryLock(directory)))
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
