//! All Unix systems: signals, process groups, limits, and what the portable socket type lacks.
//!
//! Owns the calls that all Unix systems share, and replacements for what only Linux has.
//! Invariant: one operation per `unsafe` block, each with the reason why it is sound.

use std::{
    ffi::{OsStr, c_int},
    fs::{self, DirBuilder, File},
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::{
            ffi::OsStrExt as _,
            fs::{DirBuilderExt as _, FileExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _},
            process::ExitStatusExt as _,
        },
    },
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::atomic::{AtomicU32, Ordering},
    task::{Context, Poll, ready},
};

use interprocess::local_socket as ls;
use rustix::{
    fs::{FlockOperation, OFlags, flock},
    mm::{MapFlags, ProtFlags},
    net::RecvFlags,
    process::{Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, waitid},
};
use tokio::{
    net::unix::{OwnedReadHalf, OwnedWriteHalf},
    process::Command,
};

use crate::config::PROCESS_CHECK_INTERVAL;

pub(crate) type ReadHalf = OwnedReadHalf;
pub(crate) type WriteHalf = OwnedWriteHalf;

/// Splits a connection into halves of tokio, which know when everything was read. That saves one system call
/// per frame.
pub(crate) fn split(stream: ls::tokio::Stream) -> (ReadHalf, WriteHalf) {
    let ls::tokio::Stream::UdSocket(stream) = stream;
    tokio::net::UnixStream::from(stream).into_split()
}

/// Registers a socket with the runtime for a moment, which panics if the runtime has no I/O.
pub(crate) fn register_socket() {
    // Without a free descriptor, the next call that needs one reports the error.
    drop(tokio::net::UnixDatagram::unbound());
}

/// Writes as many bytes as fit into the socket's buffer; if it is full, wakes the task later.
pub(crate) fn poll_write(writer: &WriteHalf, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    let stream: &tokio::net::UnixStream = writer.as_ref();
    loop {
        ready!(stream.poll_write_ready(cx))?;
        match stream.try_write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            other => return Poll::Ready(other),
        }
    }
}

/// Writes all bytes.
pub(crate) async fn write_all(writer: &WriteHalf, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = std::future::poll_fn(|cx| poll_write(writer, cx, bytes)).await?;
        bytes = &bytes[count..];
    }
    Ok(())
}

/// Closes both directions of the connection for both sides, also if other descriptors of the socket are open.
pub(crate) fn hang_up(writer: &WriteHalf) {
    let stream: &tokio::net::UnixStream = writer.as_ref();
    // An error means that the other side has closed it.
    let _ = rustix::net::shutdown(stream, rustix::net::Shutdown::Both);
}

/// Shows the worker with the name of this program, although it is run from another path.
pub(crate) fn name_command(command: &mut Command, name: &OsStr) {
    command.arg0(name);
}

/// Puts the worker into its own process group, so that it gets no signals from the terminal and the whole
/// group can be killed.
pub(crate) fn own_group(command: &mut Command) {
    command.process_group(0);
}

/// Returns whether a file is a socket.
pub(crate) fn is_socket(kind: fs::FileType) -> bool {
    kind.is_socket()
}

/// Reads what has arrived, without waiting; `None` if the buffer is empty.
pub(crate) fn read_arrived(stream: &ls::Stream, target: &mut [u8]) -> io::Result<Option<usize>> {
    let ls::Stream::UdSocket(stream) = stream;
    match rustix::net::recv(stream.as_fd(), target, RecvFlags::DONTWAIT) {
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
/// Installs an empty handler instead of `SIG_IGN`, because programs that a job starts would inherit
/// `SIG_IGN`.
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

/// Makes files that a job creates private to the user, and removes the variable, so that programs that a job
/// starts are not workers.
pub(crate) fn isolate(variable: &str) {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    if super::threads() == 1 {
        // SAFETY: this process has one thread, so no other thread reads the environment at the same time.
        unsafe { std::env::remove_var(variable) };
    }
}

/// Turns core files off: the log reports the signal of a crash, and a core file of every crash would fill the
/// disk.
pub(crate) fn no_core_dumps() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    // Lowering the limit of a known resource cannot fail; if it does, core files are written as configured.
    let _ = rustix::process::setrlimit(Resource::Core, none);
}

/// Limits the private memory of this process, in bytes.
pub(crate) fn limit_memory(bytes: u64) -> io::Result<()> {
    lower(Resource::Data, bytes)
}

/// Limits the size of files that this process writes, in bytes. A write beyond the limit fails; the process
/// continues.
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

/// Returns the path that another process of this system has sent as bytes.
pub(crate) fn path_of(bytes: &[u8]) -> Option<PathBuf> {
    Some(PathBuf::from(OsStr::from_bytes(bytes)))
}

/// The worker's end of the pipe to its parent: reading it ends when the parent exits.
#[derive(Debug)]
pub(crate) struct Lifeline(File);

impl Lifeline {
    /// Reads the token, which the parent has written for this worker only.
    pub(crate) fn read_token(&mut self, token: &mut [u8]) -> io::Result<()> {
        self.0.read_exact(token)
    }

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
        // The conversion makes the pipe blocking, and the worker can fill it, so that a write would block. So
        // it is made non-blocking again.
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
/// Reads a file instead of a mapping: a worker could truncate the file, and reading the mapping would then
/// kill this process.
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
        // SAFETY: the page is aligned, zeroed by the parent and never unmapped, and this process accesses it
        // only through this value.
        Ok(Mark(unsafe { AtomicU32::from_ptr(page.cast()) }))
    }

    /// Records that a job is about to start.
    pub(crate) fn set(&self, stream: u32) {
        self.0.store(stream, Ordering::SeqCst);
    }
}

/// Takes the lifeline from stdin and puts `/dev/null` there, so that programs that a job starts do not
/// inherit the lifeline.
pub(crate) fn take_lifeline() -> io::Result<Lifeline> {
    let copy: OwnedFd = io::stdin().as_fd().try_clone_to_owned()?;
    let null = File::open("/dev/null")?;
    // SAFETY: both descriptors are open, and stdin is replaced in one step, so it is never closed.
    let done = unsafe { libc::dup2(std::os::fd::AsRawFd::as_raw_fd(&null), libc::STDIN_FILENO) };
    match done {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(Lifeline(File::from(copy))),
    }
}

/// Creates a directory that only this user can access.
pub(crate) fn create_private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// A lock on a directory. The kernel releases it when this process exits for any reason.
#[derive(Debug)]
pub(crate) struct DirectoryLock(#[expect(dead_code, reason = "held, never read")] File);

impl DirectoryLock {
    /// Locks a directory; `None` if another process holds the lock, another user owns the directory, or it
    /// does not exist.
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
        flock(&directory, FlockOperation::NonBlockingLockExclusive)?;
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

/// Splits an exit status into code and signal.
pub(crate) fn exit_of(status: ExitStatus) -> (Option<i32>, Option<i32>) {
    (status.code(), status.signal())
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::{ffi::OsString, fs::File, io, io::Read as _};

    use interprocess::local_socket::ListenerOptions;

    use crate::sandbox::{Sandbox, SandboxLevel};

    /// Watches and kills one process, by its pid.
    #[derive(Debug)]
    pub(crate) struct ProcessWatch(u32);

    impl ProcessWatch {
        pub(crate) fn new(pid: u32) -> Self {
            ProcessWatch(pid)
        }

        /// Kills the process and its group. The pid cannot be reused until the process was reaped.
        pub(crate) fn kill(&self) {
            super::kill_group(self.0);
        }

        /// Waits until the process has exited, without reaping it.
        pub(crate) async fn exited(&self) {
            super::ended(self.0).await
        }

        /// Returns `None`: a portable call is missing.
        pub(crate) async fn peak_bytes(&self) -> Option<u64> {
            None
        }
    }

    pub(crate) fn own_executable() -> io::Result<OsString> {
        Ok(std::env::current_exe()?.into())
    }

    /// Does nothing: std opens files with close-on-exec, and a portable call for other descriptors is
    /// missing.
    pub(crate) fn close_inherited() {}

    pub(crate) fn random(target: &mut [u8]) -> io::Result<()> {
        File::open("/dev/urandom")?.read_exact(target)
    }

    /// Returns 0 for "unknown".
    pub(crate) fn threads() -> usize {
        0
    }

    /// Does nothing: sandboxes need Linux.
    pub(crate) fn restrict(_: &Sandbox) -> io::Result<SandboxLevel> {
        Ok(SandboxLevel::default())
    }

    /// Does nothing, as above.
    pub(crate) fn restrict_thread(_: &Sandbox) -> io::Result<SandboxLevel> {
        Ok(SandboxLevel::default())
    }

    /// Does nothing: a portable call is missing.
    pub(crate) fn set_process_name(_: &str) {}

    pub(crate) const HAS_CPU_CLOCKS: bool = false;

    /// Returns `None`: a portable call is missing.
    pub(crate) fn cpu_time(_: u32) -> Option<std::time::Duration> {
        None
    }

    /// Does nothing: some systems ignore the mode of a socket, so the mode of the directory protects it.
    pub(crate) fn socket_options(options: ListenerOptions<'_>) -> ListenerOptions<'_> {
        options
    }
}
#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::{
    HAS_CPU_CLOCKS, ProcessWatch, close_inherited, cpu_time, own_executable, random, restrict, restrict_thread,
    set_process_name, socket_options, threads,
};

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
mod tests;
