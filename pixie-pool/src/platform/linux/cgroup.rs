//! A cgroup for each worker with a memory limit, where this process may create cgroups.
//!
//! Owns one folder of cgroups for all pools of this process, the workers' cgroups in it, and the removal of
//! folders that killed servers left. Leaves to `delegation` whether the process may create cgroups, and to
//! the pool what happens if not. Invariant: this changes and removes only folders that it has created. When
//! the last pool has stopped, all is as before, except that the base may still enable `memory` for its
//! children if this process was never in the base.
//!
//! ```text
//! base                          delegated; enables `memory` for its children, so it has no processes, and `pids`
//! └── pixie-pool-4711-<random>  created and locked by this process
//!     ├── server                this process, if it was in `base`
//!     └── images-2-17           worker 2 of pool `images`
//! ```
//!
//! A worker without a sandbox runs as the user of this process, and could move itself to another cgroup.
//! Under `Sandbox::strict` it cannot open files of cgroupfs.

mod available;
mod delegation;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
mod tests;

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    process,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

pub(crate) use self::available::available_bytes;
use self::delegation::{Base, Machine};
use crate::{
    config::{CGROUP_CHECK_INTERVAL, CGROUP_END_MAX, CGROUP_MOVES_MAX},
    platform::{self, DirectoryLock, Limits, MemoryUse, NoCgroups},
};

/// The start of the folder's name, long enough that administrators do not use it for other folders.
const PREFIX: &str = "pixie-pool-";
/// The cgroup that this process moves to. The names of workers' cgroups end with two numbers.
const SERVER: &str = "server";
const PROCESSES: &str = "cgroup.procs";
const CHILDREN_CONTROL: &str = "cgroup.subtree_control";

/// The operations that change cgroupfs; tests imitate them on machines without delegated cgroups.
///
/// The kernel adds and removes the files of a folder, and may refuse a write because of other cgroups.
#[derive(Clone, Copy, Debug)]
struct Kernel {
    create: fn(&Path) -> io::Result<()>,
    remove: fn(&Path) -> io::Result<()>,
    write: fn(&Path, &str) -> io::Result<()>,
}

impl Kernel {
    const REAL: Kernel = Kernel {
        create: |path| fs::create_dir(path),
        remove: |path| fs::remove_dir(path),
        write: |path, value| File::options().write(true).open(path)?.write_all(value.as_bytes()),
    };
}

/// The folder of all pools of this process.
static FOLDER: Mutex<Weak<Folder>> = Mutex::new(Weak::new());

fn folder() -> MutexGuard<'static, Weak<Folder>> {
    FOLDER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A pool's use of the folder. Dropping the last one removes the folder, which may take some milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct Cgroups(Option<Arc<Folder>>);

impl Cgroups {
    /// Creates the folder, or shares the one of other pools. May take some milliseconds.
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

    /// Moves a just started process, and those that it starts later, into a cgroup with a limit in bytes.
    ///
    /// The parent does this, because it does not trust the worker: the worker is in the cgroup before it gets
    /// its token, and the parent knows whether the move failed. The kernel may need some milliseconds.
    pub(crate) fn admit(&self, name: &str, limits: Limits, pid: u32) -> io::Result<WorkerCgroup> {
        match &self.0 {
            Some(folder) => folder.admit(name, limits, pid),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        // Under the lock, so that a starting pool waits until this process has moved back.
        let _shared = folder();
        self.0.take();
    }
}

/// All cgroups that this process has created.
#[derive(Debug)]
struct Folder {
    base: Base,
    path: PathBuf,
    /// A number in the names of workers' cgroups, because an old one may exist when the next is created.
    count: AtomicU64,
    kernel: Kernel,
    /// Whether the base enables `pids` for its children because of this process.
    has_added_pids: bool,
    /// Tells other servers that this one runs.
    _lock: DirectoryLock,
}

impl Folder {
    fn open(base: Base, kernel: Kernel) -> io::Result<Self> {
        remove_leftovers(&base.folder, kernel);
        let (path, lock) = create_locked(&base.folder, kernel)?;
        // From here on, dropping the folder undoes all steps.
        let mut folder = Folder { base, path, count: AtomicU64::new(1), kernel, has_added_pids: false, _lock: lock };
        if folder.base.has_us {
            let own = folder.path.join(SERVER);
            (kernel.create)(&own)?;
            move_all(&folder.base.folder, &own, kernel)?;
        }
        for path in [&folder.base.folder, &folder.path] {
            (kernel.write)(&path.join(CHILDREN_CONTROL), "+memory")?;
        }
        folder.enable_pids();
        Ok(folder)
    }

    /// Makes it possible to limit threads, unless this service may not.
    fn enable_pids(&mut self) {
        let [base, own] = [&self.base.folder, &self.path].map(|path| path.join(CHILDREN_CONTROL));
        let enabled = fs::read_to_string(&base).unwrap_or_default();
        let was_enabled = enabled.split_whitespace().any(|name| name == "pids");
        self.has_added_pids = !was_enabled && (self.kernel.write)(&base, "+pids").is_ok();
        if was_enabled || self.has_added_pids {
            let _ = (self.kernel.write)(&own, "+pids");
        }
    }

    fn admit(&self, name: &str, limits: Limits, pid: u32) -> io::Result<WorkerCgroup> {
        let path = self.path.join(format!("{name}-{}", self.count.fetch_add(1, Ordering::Relaxed)));
        (self.kernel.create)(&path)?;
        let cgroup = WorkerCgroup { path, kernel: self.kernel };
        match cgroup.limit(limits).and_then(|()| cgroup.write(PROCESSES, &pid.to_string())) {
            Ok(()) => Ok(cgroup),
            Err(error) => {
                cgroup.remove();
                Err(error)
            }
        }
    }

    /// Moves this process back to the base, after the base has disabled for its children what was enabled.
    fn move_back(&self) -> io::Result<()> {
        let own = self.path.join(CHILDREN_CONTROL);
        (self.kernel.write)(&own, "-memory")?;
        if self.has_added_pids {
            let _ = (self.kernel.write)(&own, "-pids");
        }
        // Another server, or the service manager, may have created cgroups there.
        if folders(&self.base.folder).any(|path| path != self.path) {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        (self.kernel.write)(&self.base.folder.join(CHILDREN_CONTROL), "-memory")?;
        if self.has_added_pids {
            (self.kernel.write)(&self.base.folder.join(CHILDREN_CONTROL), "-pids")?;
        }
        move_all(&self.path.join(SERVER), &self.base.folder, self.kernel)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // The next server, or the service manager, removes what cannot be removed now.
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
    fn limit(&self, limits: Limits) -> io::Result<()> {
        self.write("memory.max", &limits.memory.to_string())?;
        // The limit holds also without the first two, which are missing without swap and before Linux 4.19.
        // Without the third, the pool counts the threads.
        let threads = limits.threads.map(|threads| ("pids.max", threads.to_string()));
        let others = [("memory.swap.max", "0".to_owned()), ("memory.oom.group", "1".to_owned())];
        for (file, value) in others.into_iter().chain(threads) {
            match self.write(file, &value) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                done => done?,
            }
        }
        Ok(())
    }

    fn write(&self, file: &str, value: &str) -> io::Result<()> {
        (self.kernel.write)(&self.path.join(file), value)
    }

    /// Returns the worker's memory use; complete after the worker has exited.
    pub(crate) fn memory_use(&self) -> MemoryUse {
        let events = fs::read_to_string(self.path.join("memory.events")).unwrap_or_default();
        let happened =
            |name: &str| events.lines().any(|line| line.split_once(' ').is_some_and(|(n, c)| n == name && c != "0"));
        let peak = fs::read_to_string(self.path.join("memory.peak")).ok();
        MemoryUse {
            peak: peak.and_then(|text| text.trim().parse().ok()),
            // `oom` counts only this cgroup's limit; `oom_kill` also counts those above it.
            is_over: happened("oom") && happened("oom_kill"),
        }
    }

    /// Kills all processes in the cgroup, also programs that the worker has started, and removes it.
    ///
    /// Waits some milliseconds, because a process leaves its cgroup a moment after it was killed.
    pub(crate) fn remove(&self) {
        // Missing before Linux 5.14: then a remaining process keeps the cgroup until it exits.
        let _ = self.write("cgroup.kill", "1");
        let until = Instant::now() + CGROUP_END_MAX;
        while (self.kernel.remove)(&self.path).is_err_and(|e| e.kind() == io::ErrorKind::ResourceBusy) {
            if Instant::now() >= until {
                tracing::debug!(cgroup = %self.path.display(), "a process keeps the cgroup of its exited worker");
                return;
            }
            thread::sleep(CGROUP_CHECK_INTERVAL);
        }
    }
}

fn create_locked(base: &Path, kernel: Kernel) -> io::Result<(PathBuf, DirectoryLock)> {
    loop {
        let path = base.join(format!("{PREFIX}{}-{:016x}", process::id(), u64::from_ne_bytes(platform::random()?)));
        (kernel.create)(&path)?;
        // Another server that starts may have locked the new folder to remove it.
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

/// Removes the folders of servers that were killed. Running servers hold the locks of theirs.
fn remove_leftovers(base: &Path, kernel: Kernel) {
    for path in folders(base) {
        let is_ours = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
        if is_ours && let Ok(Some(_lock)) = DirectoryLock::try_lock(&path) {
            remove_tree(&path, kernel);
        }
    }
}

/// Removes the workers' cgroups and then the folder, unless the server's cgroup has a process: workers are
/// never in it, so the process must not be killed.
fn remove_tree(path: &Path, kernel: Kernel) {
    for path in folders(path) {
        match path.ends_with(SERVER) {
            true => drop((kernel.remove)(&path)),
            false => WorkerCgroup { path, kernel }.remove(),
        }
    }
    let _ = (kernel.remove)(path);
}

/// Moves every process; repeats, because a new process starts in the cgroup of its parent.
fn move_all(from: &Path, to: &Path, kernel: Kernel) -> io::Result<()> {
    for _ in 0..CGROUP_MOVES_MAX {
        let pids = fs::read_to_string(from.join(PROCESSES))?;
        if pids.is_empty() {
            return Ok(());
        }
        for pid in pids.lines() {
            match (kernel.write)(&to.join(PROCESSES), pid) {
                // The process has exited.
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
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
