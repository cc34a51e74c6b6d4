//! Every Unix: signals, process groups, limits, and what the portable socket type lacks.
//!
//! Owns the calls that all Unix systems share, and stand-ins for what only Linux has.
//! Rule: one operation per `unsafe` block, each with the reason why it is sound.

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
    process::{Pid, Resource, Rlimit, Signal},
};
use tokio::{
    net::unix::{OwnedReadHalf, OwnedWriteHalf},
    process::Command,
};

pub(crate) type ReadHalf = OwnedReadHalf;
pub(crate) type WriteHalf = OwnedWriteHalf;

/// Splits a connection, so that the reader may tell tokio that it has read everything: that saves one system call per frame.
pub(crate) fn split(stream: ls::tokio::Stream) -> (ReadHalf, WriteHalf) {
    let ls::tokio::Stream::UdSocket(stream) = stream;
    tokio::net::UnixStream::from(stream).into_split()
}

/// Writes what the socket takes now; wakes the task when it takes more, if that is nothing.
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

/// Writes all of it.
pub(crate) async fn write_all(writer: &WriteHalf, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = std::future::poll_fn(|cx| poll_write(writer, cx, bytes)).await?;
        bytes = &bytes[count..];
    }
    Ok(())
}

/// Ends both directions for both sides, whoever still holds the socket.
pub(crate) fn hang_up(writer: &WriteHalf) {
    let stream: &tokio::net::UnixStream = writer.as_ref();
    // An error says that the other side did it first.
    let _ = rustix::net::shutdown(stream, rustix::net::Shutdown::Both);
}

/// Shows the worker under the name of this program, although it is run from another path.
pub(crate) fn name_command(command: &mut Command, name: &OsStr) {
    command.arg0(name);
}

/// Gives the worker a group of its own, so that the terminal's signals do not reach it and that all it starts can be ended with it.
pub(crate) fn own_group(command: &mut Command) {
    command.process_group(0);
}

/// Tells whether a file is a socket.
pub(crate) fn is_socket(kind: fs::FileType) -> bool {
    kind.is_socket()
}

/// Reads what has arrived without waiting; `None` if nothing has.
pub(crate) fn read_arrived(stream: &ls::Stream, target: &mut [u8]) -> io::Result<Option<usize>> {
    let ls::Stream::UdSocket(stream) = stream;
    match rustix::net::recv(stream.as_fd(), target, RecvFlags::DONTWAIT) {
        Ok((count, _)) => Ok(Some(count)),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Ends every process of the group that `leader` leads.
pub(crate) fn kill_group(leader: u32) {
    if let Some(pid) = Pid::from_raw(leader as i32) {
        // An error says that the group is gone, which is what was wanted.
        let _ = rustix::process::kill_process_group(pid, Signal::KILL);
    }
}

/// Ends this process and, if it leads a group of its own, everything it started, without running anything else.
pub(crate) fn exit_now() -> ! {
    if rustix::process::getpgrp() == rustix::process::getpid() {
        let _ = rustix::process::kill_current_process_group(Signal::KILL);
    }
    // SAFETY: `_exit` takes any number, runs no code of ours and does not return.
    unsafe { libc::_exit(0) }
}

extern "C" fn ignore(_: c_int) {}

/// Leaves ending this process to its parent: terminals and service managers signal everybody, and the parent decides.
///
/// A handler that does nothing, not `SIG_IGN`, because programs that a job starts would inherit that.
pub(crate) fn calm_signals() {
    [libc::SIGINT, libc::SIGTERM, libc::SIGHUP].into_iter().for_each(calm_signal);
    // SAFETY: `SIG_IGN` is a valid disposition for SIGPIPE; std resets it for programs that a job starts.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

fn calm_signal(signal: c_int) {
    // SAFETY: all-zero bytes are a valid `sigaction` with an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = ignore as extern "C" fn(c_int) as libc::sighandler_t;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: `action` is initialised and lives through the call; `ignore` touches nothing.
    unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) };
}

/// Keeps files that a job creates to the owner, and removes the variable so that programs it starts are not workers.
pub(crate) fn isolate(variable: &str) {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    if super::threads() == 1 {
        // SAFETY: this process has one thread, so nobody reads the environment meanwhile.
        unsafe { std::env::remove_var(variable) };
    }
}

/// A crash is reported by its signal; a core file of every crash would fill the disk.
pub(crate) fn no_core_dumps() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    // Lowering a limit cannot fail for a known resource; if it does, cores are written as configured.
    let _ = rustix::process::setrlimit(Resource::Core, none);
}

/// Limits the private memory of this process.
pub(crate) fn limit_memory(bytes: u64) -> io::Result<()> {
    let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
    Ok(rustix::process::setrlimit(Resource::Data, limit)?)
}

/// Limits what this process may write to one file; a write beyond fails and does not end it.
pub(crate) fn limit_file_size(bytes: u64) -> io::Result<()> {
    calm_signal(libc::SIGXFSZ);
    lower(Resource::Fsize, bytes)
}

/// Limits the descriptors of this process.
pub(crate) fn limit_open_files(count: u64) -> io::Result<()> {
    lower(Resource::Nofile, count)
}

/// Sets a limit, or leaves the one that is there if that is lower: nobody may raise it.
fn lower(resource: Resource, wanted: u64) -> io::Result<()> {
    let limit = rustix::process::getrlimit(resource).maximum.map_or(wanted, |maximum| maximum.min(wanted));
    Ok(rustix::process::setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?)
}

/// Makes a path of the bytes that another process of this system has sent.
pub(crate) fn path_of(bytes: &[u8]) -> Option<PathBuf> {
    Some(PathBuf::from(OsStr::from_bytes(bytes)))
}

/// The read end of the pipe that the parent holds: it ends when the parent does.
#[derive(Debug)]
pub(crate) struct Lifeline(File);

impl Lifeline {
    /// Reads what the parent has written for this worker alone.
    pub(crate) fn read_token(&mut self, token: &mut [u8]) -> io::Result<()> {
        self.0.read_exact(token)
    }

    /// Returns once the parent is gone; runs `pulled` whenever it asks for attention.
    pub(crate) fn wait(mut self, pulled: impl Fn()) {
        let mut byte = [0];
        loop {
            match self.0.read(&mut byte) {
                Ok(0) => return,
                Ok(_) => pulled(),
                Err(_) => {}
            }
        }
    }
}

/// The parent's end of that pipe; dropping it ends the worker.
#[derive(Debug)]
pub(crate) struct Leash(File);

impl Leash {
    pub(crate) fn new(pipe: tokio::process::ChildStdin) -> io::Result<Self> {
        // This makes it block, and the worker decides what room the pipe has: it may not read, and fill it from its own end.
        let pipe = pipe.into_owned_fd()?;
        rustix::fs::fcntl_setfl(&pipe, rustix::fs::fcntl_getfl(&pipe)? | OFlags::NONBLOCK)?;
        Ok(Leash(pipe.into()))
    }

    /// Asks for attention; never blocks, whatever the worker does with its end.
    pub(crate) fn pull(&self) {
        // A worker that is gone, or does not read, is seen by others.
        let _ = (&self.0).write(&[1]);
    }
}

/// Says which job a worker has started last, also when it is dead.
///
/// A file and not a mapping, because a worker may cut a file short, and touching a mapping of it would end this process.
#[derive(Debug)]
pub(crate) struct MarkReader(File);

impl MarkReader {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        // One that was left by an earlier start of this worker.
        let _ = fs::remove_file(path);
        let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        // Written, so that a full disk fails this start: a length alone has no room yet, and the worker's first store through its
        // mapping would end it with SIGBUS.
        file.write_all_at(&[0; MARK_BYTES as usize], 0)?;
        Ok(MarkReader(file))
    }

    /// Returns 0 if no job was started.
    pub(crate) fn read(&self) -> Option<u32> {
        let mut bytes = [0; MARK_BYTES as usize];
        self.0.read_exact_at(&mut bytes, 0).ok()?;
        Some(u32::from_ne_bytes(bytes))
    }
}

const MARK_BYTES: u64 = 4;

/// The worker's side of it: one store in memory for each job.
#[derive(Debug)]
pub(crate) struct Mark(&'static AtomicU32);

impl Mark {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        let (access, sharing) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: the kernel chooses a place where nothing is, and the mapping is never removed.
        let page = unsafe { rustix::mm::mmap(std::ptr::null_mut(), MARK_BYTES as usize, access, sharing, &file, 0) }?;
        // SAFETY: the page is aligned, zeroed by the parent, never unmapped, and no one in this process touches it but through this.
        Ok(Mark(unsafe { AtomicU32::from_ptr(page.cast()) }))
    }

    /// Notes that a job is about to be started.
    pub(crate) fn set(&self, stream: u32) {
        self.0.store(stream, Ordering::SeqCst);
    }
}

/// Moves the lifeline away from stdin, where programs that a job starts would inherit it.
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

/// Creates a directory that only this user can enter.
pub(crate) fn create_private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// A lock on a directory that ends with the process that holds it, however that ends.
#[derive(Debug)]
pub(crate) struct DirectoryLock(#[expect(dead_code, reason = "held, never read")] File);

impl DirectoryLock {
    /// Locks a directory of this user; `None` if somebody else holds it, it is not ours, or it is not there any more.
    pub(crate) fn try_lock(path: &Path) -> Option<Self> {
        let before = fs::symlink_metadata(path).ok()?;
        if !before.is_dir() || before.uid() != rustix::process::geteuid().as_raw() {
            return None;
        }
        let directory = File::open(path).ok()?;
        flock(&directory, FlockOperation::NonBlockingLockExclusive).ok()?;
        // Whoever cleans up may have removed it between the two calls.
        let after = fs::symlink_metadata(path).ok()?;
        let held = directory.metadata().ok()?;
        (after.dev() == held.dev() && after.ino() == held.ino()).then_some(DirectoryLock(directory))
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

    /// Sees and ends one process, by its pid.
    #[derive(Debug)]
    pub(crate) struct ProcessWatch(u32);

    impl ProcessWatch {
        pub(crate) fn new(pid: u32) -> Self {
            ProcessWatch(pid)
        }

        /// Ends the process and its group; a pid stays taken until it was waited for.
        pub(crate) fn kill(&self) {
            super::kill_group(self.0);
        }

        /// Never returns: the closed socket tells.
        pub(crate) async fn exited(&self) {
            std::future::pending().await
        }

        /// Nothing: there is no portable call.
        pub(crate) async fn peak_bytes(&self) -> Option<u64> {
            None
        }
    }

    pub(crate) fn own_executable() -> io::Result<OsString> {
        Ok(std::env::current_exe()?.into())
    }

    /// Nothing: std opens everything with close-on-exec, and there is no portable call for the rest.
    pub(crate) fn close_inherited() {}

    pub(crate) fn random(target: &mut [u8]) -> io::Result<()> {
        File::open("/dev/urandom")?.read_exact(target)
    }

    /// Nothing is known.
    pub(crate) fn threads() -> usize {
        0
    }

    /// Nothing: no such system has a sandbox for workers.
    pub(crate) fn restrict(_: &Sandbox) -> io::Result<SandboxLevel> {
        Ok(SandboxLevel::default())
    }

    /// Nothing, as above.
    pub(crate) fn restrict_thread(_: &Sandbox) -> io::Result<SandboxLevel> {
        Ok(SandboxLevel::default())
    }

    /// Nothing: there is no portable call.
    pub(crate) fn set_process_name(_: &str) {}

    pub(crate) const HAS_CPU_CLOCKS: bool = false;

    /// Nothing: there is no portable call.
    pub(crate) fn cpu_time(_: u32) -> Option<std::time::Duration> {
        None
    }

    /// Nothing: the mode of a socket cannot be set everywhere, so the directory protects it.
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
