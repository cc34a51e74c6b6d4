//! Systems other than Linux: replacements for what only Linux has.
//!
//! A function that needs a call which these systems lack does nothing or reports that the value is unknown.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read as _, Write as _},
    ops::Deref,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::Arc,
    time::Duration,
};

use interprocess::local_socket::ListenerOptions;
use rustix::net::RecvFlags;

use super::{Claim, Limits, MemoryUse, NoCgroups, ThreadState, unix};

/// Watches and kills one process, by its pid.
#[derive(Debug)]
pub(crate) struct ProcessWatch(u32);

impl ProcessWatch {
    pub(crate) fn new(pid: u32) -> Self {
        ProcessWatch(pid)
    }

    /// Kills the process and its group. The pid cannot be reused until the process was reaped.
    pub(crate) fn kill(&self) {
        unix::kill_group(self.0);
    }

    pub(crate) async fn exited(&self) {
        unix::ended(self.0).await
    }

    pub(crate) async fn peak_bytes(&self) -> Option<u64> {
        None
    }
}

/// The directory protects the socket, because its mode cannot be set at its creation everywhere.
pub(crate) fn private_socket(options: ListenerOptions<'_>) -> ListenerOptions<'_> {
    options
}

/// The cgroups of a pool or of one worker. A value of this type does not exist, because `open` fails.
#[derive(Clone, Debug)]
pub(crate) enum Cgroups {}

pub(crate) type WorkerCgroup = Cgroups;

impl Cgroups {
    pub(crate) fn open() -> Result<Self, NoCgroups> {
        Err(NoCgroups::NotDelegated("only Linux has cgroups".to_owned()))
    }

    pub(crate) fn admit(&self, _: &str, _: Limits, _: u32) -> io::Result<WorkerCgroup> {
        match *self {}
    }

    pub(crate) fn memory_use(&self) -> MemoryUse {
        match *self {}
    }

    pub(crate) fn remove(&self) {
        match *self {}
    }
}

/// Returns the file of this program. Returns an error if another program has replaced it.
pub(crate) fn own_executable() -> io::Result<OsString> {
    let program = std::env::current_exe()?;
    super::unix::check_unchanged(&program)?;
    Ok(program.into())
}

/// Returns an empty value: how a loader was called is not known.
pub fn loader_arguments() -> Vec<OsString> {
    Vec::new()
}

/// Returns an error: a process cannot give a copy of itself to its parent.
pub(crate) fn check_forkable(_: usize) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "workers are forked on Linux only"))
}

pub(crate) fn fork_beside() -> io::Result<Option<u32>> {
    check_forkable(0).map(|()| None)
}

pub(crate) fn wait_for_main_thread() {}

pub(crate) fn end_with(_: &OwnedFd) -> io::Result<()> {
    check_forkable(0)
}

pub(crate) fn flush_output() {}

/// Does nothing: containers are a matter of Linux.
pub(crate) fn reap_as_init() {}

/// Does nothing: std opens files with close-on-exec.
pub(crate) fn close_inherited() {}

/// Returns 0 for "unknown".
pub(crate) fn threads() -> usize {
    0
}

pub(crate) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

pub(crate) fn set_process_name(_: &str) {}

pub(crate) fn give_way_when_memory_is_short() {}

pub(crate) const HAS_CPU_CLOCKS: bool = false;

pub(crate) fn cpu_time(_: u32) -> Option<Duration> {
    None
}

pub(crate) fn resident_bytes(_: u32) -> io::Result<u64> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system does not report it"))
}

pub(crate) fn shared_resident_bytes(_: u32) -> io::Result<u64> {
    Ok(0)
}

pub(crate) fn available_bytes() -> Option<u64> {
    None
}

pub(crate) fn thread_ids(_: u32, _: usize) -> io::Result<std::collections::HashSet<u32>> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system does not report it"))
}

pub(crate) fn peak_bytes(_: u32) -> Option<u64> {
    None
}

pub(crate) fn thread_state(_: u32, _: &str, _: usize) -> ThreadState {
    ThreadState::default()
}

/// Returns false: workers are leased, and what belongs to the queue of all workers does not exist.
pub(crate) fn has_queue() -> bool {
    false
}

/// That queue, or a worker's side of it, or claims. A value of this type does not exist.
#[derive(Debug)]
pub(crate) enum QueueMemory {}

pub(crate) type Claims = QueueMemory;
pub(crate) type ClaimWriter = QueueMemory;
pub(crate) type QueueReader = QueueMemory;

/// What became of a job in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TakenBack {
    Unread,
    ReadBy(u16),
}

fn no_queue<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no queue for all workers"))
}

impl QueueMemory {
    pub(crate) fn new<T>(_: usize, _: T) -> io::Result<Arc<Self>> {
        no_queue()
    }

    pub(crate) fn files(&self) -> [BorrowedFd<'_>; 2] {
        match *self {}
    }

    pub(crate) fn file(&self) -> BorrowedFd<'_> {
        match *self {}
    }

    pub(crate) fn put(&self, _: usize, _: u64, _: &[u8]) -> bool {
        match *self {}
    }

    pub(crate) fn take_back(&self, _: usize, _: u64) -> TakenBack {
        match *self {}
    }

    pub(crate) fn clear(&self, _: usize) {
        match *self {}
    }

    pub(crate) fn close(&self) {
        match *self {}
    }

    pub(crate) fn reader(&self) -> u16 {
        match *self {}
    }

    pub(crate) fn take_sleeper(&self) -> bool {
        match *self {}
    }

    pub(crate) fn wake(&self) {
        match *self {}
    }

    pub(crate) fn running(&self) -> Option<usize> {
        match *self {}
    }

    pub(crate) fn get(&self, _: usize, _: u64) -> Option<Claim> {
        match *self {}
    }
}

/// # In a worker
impl QueueMemory {
    pub(crate) fn of(_: OwnedFd, _: bool) -> io::Result<Self> {
        no_queue()
    }

    pub(crate) fn open(_: OwnedFd, _: OwnedFd, _: &ClaimWriter) -> io::Result<Self> {
        no_queue()
    }

    pub(crate) fn has_ended(&self) -> bool {
        match *self {}
    }

    pub(crate) fn sleep(&self, _: &ClaimWriter, _: Duration) {
        match *self {}
    }

    pub(crate) fn read(&self, _: &mut Vec<u8>) -> bool {
        match *self {}
    }

    pub(crate) fn claim(&self, _: usize, _: u64) {
        match *self {}
    }

    pub(crate) fn finish(&self) {
        match *self {}
    }
}

/// Worker processes have no shared data: they get no descriptors.
pub(crate) const SHARES_WITH_WORKERS: bool = false;

/// Bytes that only this process reads.
#[derive(Debug)]
pub(crate) struct SharedMemory(Vec<u8>);

impl SharedMemory {
    pub(crate) fn write(_: &str, from: &mut impl io::Read) -> io::Result<Self> {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes)?;
        Ok(SharedMemory(bytes))
    }

    pub(crate) fn open(_: BorrowedFd<'_>) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn file(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

impl Deref for SharedMemory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// Both ends of a lifeline, which brings only the token.
#[derive(Debug)]
pub(crate) struct LifelineEnds {
    sender: UnixStream,
    receiver: UnixStream,
}

impl LifelineEnds {
    pub(crate) fn new() -> io::Result<Self> {
        let (sender, receiver) = UnixStream::pair()?;
        Ok(LifelineEnds { sender, receiver })
    }

    pub(crate) fn workers_end(&self) -> BorrowedFd<'_> {
        self.receiver.as_fd()
    }

    pub(crate) fn send(&self, message: &[u8], _: &[BorrowedFd<'_>]) -> io::Result<()> {
        (&self.sender).write_all(message)
    }

    pub(crate) fn take_back(&self, _: &mut [u8]) -> usize {
        0
    }

    pub(crate) fn close(&self) {
        let _ = rustix::net::shutdown(&self.sender, rustix::net::Shutdown::Both);
    }
}

/// Reads bytes; 0 at the end, `None` if there are none and `waits` is false.
pub(crate) fn receive_message(
    socket: impl AsFd,
    target: &mut [u8],
    _: &mut Vec<OwnedFd>,
    waits: bool,
) -> io::Result<Option<usize>> {
    let flags = if waits { RecvFlags::empty() } else { RecvFlags::DONTWAIT };
    match rustix::net::recv(socket, target, flags) {
        Ok((count, _)) => Ok(Some(count)),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) if !waits => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Writes as many bytes as the socket accepts. There are no descriptors to send with them.
pub(crate) fn send_with_descriptors(socket: impl AsFd, bytes: &[u8], _: &[BorrowedFd<'_>]) -> io::Result<usize> {
    Ok(rustix::net::send(socket, bytes, rustix::net::SendFlags::DONTWAIT)?)
}

/// Reads bytes. The parent sends no descriptors with them.
pub(crate) fn receive_with_descriptors(
    mut stream: &UnixStream,
    target: &mut [u8],
    _: &mut Vec<OwnedFd>,
) -> io::Result<usize> {
    stream.read(target)
}
