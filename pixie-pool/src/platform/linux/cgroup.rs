//! A cgroup for each worker whose memory is limited, where this process may make cgroups.
//!
//! Owns one folder of cgroups for all pools of this process, the workers' cgroups in it, and the removal of folders that dead
//! servers left. Leaves whether the process may to `delegation` and what is done if not to `pool::memory`.
//! Rule: only folders that this made are changed or removed, and when the last pool has ended everything is as it was found, but that
//! `memory` stays handed on where this process was never in the way of that.
//!
//! ```text
//! base                          delegated to this process; hands `memory` on, so it may have no processes of its own
//! └── pixie-pool-4711-<random>  ours, locked as long as this process lives
//!     ├── server                this process, if it was in `base`
//!     └── images-2-17           worker 2 of pool `images`
//! ```
//!
//! A worker without a sandbox runs as the user of this process and could move itself out again, as it could do anything else that
//! user may. Under `Sandbox::strict` no file of cgroupfs can be opened.

mod delegation;
mod kernel;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
mod tests;

use std::{
    fs, io,
    path::{Path, PathBuf},
    process,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use self::{
    delegation::{Base, Machine},
    kernel::Kernel,
};
use crate::{
    config::{CGROUP_END_MAX, CGROUP_LOOK, CGROUP_MOVES_MAX},
    platform::{self, DirectoryLock, MemoryToll, NoCgroups},
};

/// Long enough that no administrator has chosen it for something else.
const PREFIX: &str = "pixie-pool-";
/// The cgroup that this process moves to; workers' names end in two numbers.
const SERVER: &str = "server";
const PROCESSES: &str = "cgroup.procs";
const HANDED_ON: &str = "cgroup.subtree_control";

/// A process is in one cgroup, so all its pools share one folder.
static FOLDER: Mutex<Weak<Folder>> = Mutex::new(Weak::new());

fn folder() -> MutexGuard<'static, Weak<Folder>> {
    FOLDER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A pool's hold on the folder; the last one that is dropped removes it, which may take some milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct Cgroups(Option<Arc<Folder>>);

impl Cgroups {
    /// Opens the folder, or joins the pools that have; may take some milliseconds.
    pub(crate) fn open() -> Result<Self, NoCgroups> {
        let mut shared = folder();
        if let Some(folder) = shared.upgrade() {
            return Ok(Cgroups(Some(folder)));
        }
        let base = Machine::this().find().map_err(NoCgroups::NotDelegated)?;
        let place = base.folder.display().to_string();
        let opened = Folder::open(base, Kernel::REAL).map_err(|e| NoCgroups::Failed(format!("{place}: {e}")))?;
        let opened = Arc::new(opened);
        *shared = Arc::downgrade(&opened);
        Ok(Cgroups(Some(opened)))
    }

    /// Moves a process that was just started, and whatever it starts, into a cgroup that may hold so many bytes.
    ///
    /// By this process and not by the worker, which is a stranger: it is in there before it has its token, and whether that failed
    /// is known here. The kernel may take some milliseconds for it.
    pub(crate) fn admit(&self, name: &str, memory: u64, pid: u32) -> io::Result<WorkerCgroup> {
        match &self.0 {
            Some(folder) => folder.admit(name, memory, pid),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        // Under the lock, so that no pool that starts meanwhile finds this process on its way back.
        let _shared = folder();
        self.0.take();
    }
}

/// Everything that this process has made below the cgroup it may change.
#[derive(Debug)]
struct Folder {
    base: Base,
    path: PathBuf,
    /// In the names of workers' cgroups, because one may still be ending when the next is there.
    count: AtomicU64,
    kernel: Kernel,
    /// Tells the next server that this one lives.
    _lock: DirectoryLock,
}

impl Folder {
    fn open(base: Base, kernel: Kernel) -> io::Result<Self> {
        remove_leftovers(&base.folder, kernel);
        let (path, lock) = create_locked(&base.folder, kernel)?;
        // What fails from here on is undone when this is dropped.
        let folder = Folder { base, path, count: AtomicU64::new(1), kernel, _lock: lock };
        if folder.base.has_us {
            let own = folder.path.join(SERVER);
            (kernel.create)(&own)?;
            move_all(&folder.base.folder, &own, kernel)?;
        }
        for path in [&folder.base.folder, &folder.path] {
            (kernel.write)(&path.join(HANDED_ON), "+memory")?;
        }
        Ok(folder)
    }

    fn admit(&self, name: &str, memory: u64, pid: u32) -> io::Result<WorkerCgroup> {
        let path = self.path.join(format!("{name}-{}", self.count.fetch_add(1, Ordering::Relaxed)));
        (self.kernel.create)(&path)?;
        let cgroup = WorkerCgroup { path, kernel: self.kernel };
        match cgroup.limit(memory).and_then(|()| cgroup.take_in(pid)) {
            Ok(()) => Ok(cgroup),
            Err(error) => {
                cgroup.remove();
                Err(error)
            }
        }
    }

    /// Goes back to where this process was found, which is possible only once `memory` is not handed on there any more.
    fn move_back(&self) -> io::Result<()> {
        (self.kernel.write)(&self.path.join(HANDED_ON), "-memory")?;
        // Another server, or a command of the service manager's, may have come to rely on it.
        if folders(&self.base.folder).any(|path| path != self.path) {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        (self.kernel.write)(&self.base.folder.join(HANDED_ON), "-memory")?;
        move_all(&self.path.join(SERVER), &self.base.folder, self.kernel)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed now is left for the next server, or for whoever has delegated the cgroup.
        if self.base.has_us {
            let _ = self.move_back();
        }
        remove_tree(&self.path, self.kernel);
    }
}

/// The cgroup of one worker.
#[derive(Debug)]
pub(crate) struct WorkerCgroup {
    path: PathBuf,
    kernel: Kernel,
}

impl WorkerCgroup {
    fn limit(&self, memory: u64) -> io::Result<()> {
        // No `pids.max`: that counts threads, too, which no sandbox bounds, and its filter forbids new processes already.
        self.write("memory.max", &memory.to_string())?;
        // Without these two, a kernel that lacks swap or is older than Linux 4.19 still holds the limit.
        for (file, value) in [("memory.swap.max", "0"), ("memory.oom.group", "1")] {
            match self.write(file, value) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                done => done?,
            }
        }
        Ok(())
    }

    fn take_in(&self, pid: u32) -> io::Result<()> {
        self.write(PROCESSES, &pid.to_string())
    }

    fn write(&self, file: &str, value: &str) -> io::Result<()> {
        (self.kernel.write)(&self.path.join(file), value)
    }

    /// Returns what the worker has taken; complete once it has ended.
    pub(crate) fn toll(&self) -> MemoryToll {
        let events = fs::read_to_string(self.path.join("memory.events")).unwrap_or_default();
        let happened =
            |name: &str| events.lines().any(|line| line.split_once(' ').is_some_and(|(n, c)| n == name && c != "0"));
        let peak = fs::read_to_string(self.path.join("memory.peak")).ok();
        MemoryToll {
            peak: peak.and_then(|text| text.trim().parse().ok()),
            // `oom` counts this cgroup's limit only, `oom_kill` also those above it and a machine that is full.
            is_over: happened("oom") && happened("oom_kill"),
        }
    }

    /// Ends what is left of the worker, such as programs that it started and that left its group, and removes the cgroup.
    ///
    /// Waits for that, some milliseconds at the most: a process leaves its cgroup a moment after it was killed.
    pub(crate) fn remove(&self) {
        // Absent before Linux 5.14: then a process that is left keeps the cgroup until it ends.
        let _ = self.write("cgroup.kill", "1");
        let until = Instant::now() + CGROUP_END_MAX;
        while (self.kernel.remove)(&self.path).is_err_and(|e| e.kind() == io::ErrorKind::ResourceBusy) {
            if Instant::now() >= until {
                tracing::debug!(cgroup = %self.path.display(), "a process keeps the cgroup of its ended worker");
                return;
            }
            thread::sleep(CGROUP_LOOK);
        }
    }
}

fn create_locked(base: &Path, kernel: Kernel) -> io::Result<(PathBuf, DirectoryLock)> {
    loop {
        let mut random = [0; 8];
        platform::random(&mut random)?;
        let path = base.join(format!("{PREFIX}{}-{:016x}", process::id(), u64::from_ne_bytes(random)));
        (kernel.create)(&path)?;
        // Another server that starts may have taken the new folder for a leftover: then there is a next try.
        match DirectoryLock::try_lock(&path) {
            Ok(Some(lock)) => return Ok((path, lock)),
            Ok(None) => drop((kernel.remove)(&path)),
            Err(error) => {
                let _ = (kernel.remove)(&path);
                return Err(error);
            }
        }
    }
}

/// Removes the folders of servers that were killed; those that live hold the lock.
fn remove_leftovers(base: &Path, kernel: Kernel) {
    for path in folders(base) {
        let is_ours = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
        if is_ours && let Ok(Some(_lock)) = DirectoryLock::try_lock(&path) {
            remove_tree(&path, kernel);
        }
    }
}

/// Removes the workers' cgroups and then the folder, unless a process is left in the server's: that is no worker and not ours to end.
fn remove_tree(path: &Path, kernel: Kernel) {
    for path in folders(path) {
        match path.ends_with(SERVER) {
            true => drop((kernel.remove)(&path)),
            false => WorkerCgroup { path, kernel }.remove(),
        }
    }
    let _ = (kernel.remove)(path);
}

/// Moves every process; those that are started meanwhile are where the one is that starts them.
fn move_all(from: &Path, to: &Path, kernel: Kernel) -> io::Result<()> {
    for _ in 0..CGROUP_MOVES_MAX {
        let pids = fs::read_to_string(from.join(PROCESSES))?;
        if pids.is_empty() {
            return Ok(());
        }
        for pid in pids.lines() {
            match (kernel.write)(&to.join(PROCESSES), pid) {
                Err(error) if kernel::is_gone(&error) => {}
                done => done?,
            }
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

fn folders(path: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path())
}
