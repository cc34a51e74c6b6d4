//! Systems other than Linux: replacements for what only Linux has.
//!
//! A function that needs a call which these systems lack does nothing or reports that the value is unknown.

use std::{ffi::OsString, fs::File, io, io::Read as _, time::Duration};

use interprocess::local_socket::ListenerOptions;

use super::{MemoryUse, NoCgroups, ThreadState, unix};

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

    pub(crate) fn admit(&self, _: &str, _: u64, _: u32) -> io::Result<WorkerCgroup> {
        match *self {}
    }

    pub(crate) fn memory_use(&self) -> MemoryUse {
        match *self {}
    }

    pub(crate) fn remove(&self) {
        match *self {}
    }
}

pub(crate) fn own_executable() -> io::Result<OsString> {
    Ok(std::env::current_exe()?.into())
}

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

pub(crate) const HAS_CPU_CLOCKS: bool = false;

pub(crate) fn cpu_time(_: u32) -> Option<Duration> {
    None
}

pub(crate) fn resident_bytes(_: u32) -> io::Result<u64> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system does not report it"))
}

pub(crate) fn peak_bytes(_: u32) -> Option<u64> {
    None
}

pub(crate) fn thread_state(_: u32, _: &str, _: usize) -> ThreadState {
    ThreadState::default()
}
