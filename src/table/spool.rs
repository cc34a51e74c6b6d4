//! The spool: a folder of temporary files for uploads, and the writer of one file.
//!
//! Only this user can read the folder, and a worker in a strict sandbox can open only files whose names it
//! knows: names cannot be guessed. A file is removed when its last value is dropped, when the app stops,
//! or, after a kill of the process, at the next start. Invariant: threads of the runtime do not create, write
//! or remove these files.
use std::{
    fs::{DirBuilder, File, Permissions, read_dir, remove_dir_all, remove_file},
    hash::{BuildHasher as _, RandomState},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use bytes::Bytes;
use pixie_core::plumbing::SpooledFile;
use tempfile::{Builder, TempDir};
use tokio::{runtime::Handle, task::spawn_blocking};

/// Bytes that are collected before they are written. Switching to a blocking thread costs as much as copying
/// some 100 KiB.
const WRITE_BYTES: usize = 256 * 1024;
const PREFIX: &str = "pixie-uploads-";
const LOCK: &str = "lock";

/// The folder of an app's temporary files. It is made when the first file is needed.
pub(crate) struct Spool {
    parent: PathBuf,
    folder: Mutex<Option<Folder>>,
}

struct Folder {
    path: TempDir,
    _locks: (File, File),
}

impl Spool {
    /// Returns a spool in this folder, or in the system's folder for temporary files.
    pub(crate) fn new(parent: Option<PathBuf>) -> Spool {
        Spool { parent: parent.unwrap_or_else(std::env::temp_dir), folder: Mutex::new(None) }
    }

    /// Removes the folders of killed processes, on a thread of its own.
    pub(crate) fn sweep(&self) {
        let parent = self.parent.clone();
        // If the thread cannot be started, the next start removes them.
        let _ = thread::Builder::new().name("pixie-sweep".into()).spawn(move || sweep(&parent));
    }

    /// Writes a warning to the log if files cannot be made in the parent folder, so that this is not found by
    /// the first upload. An app may have forms without files, so this is not an error.
    pub(crate) fn check(&self) {
        let made = check_name(&self.parent).and_then(|()| tempfile::tempfile_in(&self.parent));
        if let Err(error) = made {
            let fix = "set TMPDIR or `App::upload_dir` to a folder that this user can write to";
            tracing::warn!(folder = %self.parent.display(), %error, "large uploads will fail: {fix}");
        }
    }

    /// Returns the folder. Makes it on the first call.
    pub(crate) fn path(&self) -> io::Result<PathBuf> {
        let mut folder = self.folder.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(self.made(&mut folder)?.path.path().to_owned())
    }

    /// Removes the folder and its files when the server stops.
    pub(crate) fn remove(&self) {
        self.folder.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Starts a file.
    pub(crate) fn writer(self: &Arc<Spool>) -> SpoolWriter {
        SpoolWriter { spool: self.clone(), begun: None, pending: Vec::new() }
    }

    fn create(&self) -> io::Result<Begun> {
        let mut folder = self.folder.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = self.made(&mut folder)?;
        let path = folder.path.path().join(secret_name());
        // With the mode of other new files, because `Upload::persist` links it.
        let open = match File::create_new(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                folder.restore()?;
                File::create_new(&path)
            }
            made => made,
        };
        Ok(Begun { open: open?, file: SpooledFile::owned(path, remove) })
    }

    fn made<'f>(&self, folder: &'f mut Option<Folder>) -> io::Result<&'f mut Folder> {
        match folder {
            Some(made) => Ok(made),
            None => Ok(folder.insert(Folder::new(&self.parent)?)),
        }
    }
}

/// Workers get the paths of files as text.
fn check_name(path: &Path) -> io::Result<()> {
    let wrong = "the folder for uploads has a path that is no UTF-8: set another with `App::upload_dir`";
    path.to_str().map(|_| ()).ok_or_else(|| io::Error::other(wrong))
}

impl Folder {
    fn new(parent: &Path) -> io::Result<Folder> {
        let path = Builder::new().prefix(PREFIX).permissions(Permissions::from_mode(0o700)).tempdir_in(parent)?;
        check_name(path.path())?;
        let _locks = lock(path.path())?;
        Ok(Folder { path, _locks })
    }

    /// Makes the folder again after another program has removed it. The name stays the same, because workers
    /// in a strict sandbox that start later are allowed to read it. Running workers in a strict sandbox can
    /// read only the removed folder.
    fn restore(&mut self) -> io::Result<()> {
        let path = self.path.path();
        DirBuilder::new().mode(0o700).create(path)?;
        self._locks = lock(path)?;
        tracing::warn!(
            folder = %path.display(),
            "made the folder for uploads again because another program removed it: workers in a strict sandbox cannot \
             open new uploads until they are replaced; set another folder with `App::upload_dir`"
        );
        Ok(())
    }
}

/// Returns a name of 128 random bits, which cannot be guessed: the hashers of the standard library have
/// random keys.
fn secret_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let half = || RandomState::new().hash_one(count);
    format!("{:016x}{:016x}", half(), half())
}

/// Locks a folder and a file in it, until the process exits or the values are dropped.
///
/// The lock of the folder keeps systemd-tmpfiles from cleaning it (tmpfiles.d(5), BSD file locks). The lock
/// of the file tells other servers that the folder is in use. The folder is locked before the file exists,
/// and a folder without the file is not removed.
fn lock(path: &Path) -> io::Result<(File, File)> {
    let folder = File::open(path)?;
    folder.lock()?;
    let file = File::create(path.join(LOCK))?;
    file.lock()?;
    Ok((folder, file))
}

/// Removes the folders of killed processes: those whose lock is free. The next start tries again if this
/// fails.
fn sweep(parent: &Path) {
    let Ok(entries) = read_dir(parent) else { return };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if !is_ours || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        // Without the lock file, another process may be making the folder now.
        if let Ok(file) = File::open(entry.path().join(LOCK))
            && let Ok(folder) = File::open(entry.path())
            && file.try_lock().is_ok()
            && folder.try_lock().is_ok()
        {
            let _ = remove_dir_all(entry.path());
        }
    }
}

/// Removes a file. On a thread of the runtime, another thread does this, because freeing the blocks of a
/// large file takes time.
fn remove(path: PathBuf) {
    // The file may have been removed with its folder.
    let unlink = move || drop(remove_file(path));
    match Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(unlink)),
        Err(_) => unlink(),
    }
}

/// Writes one file of the spool. If it is dropped before `close`, it removes the file.
pub(crate) struct SpoolWriter {
    spool: Arc<Spool>,
    /// `None` until the first write.
    begun: Option<Begun>,
    pending: Vec<u8>,
}

/// An open file, which is removed when this value is dropped.
struct Begun {
    open: File,
    file: SpooledFile,
}

impl SpoolWriter {
    /// Appends bytes.
    pub(crate) async fn write(mut self, bytes: Bytes) -> io::Result<SpoolWriter> {
        self.pending.extend_from_slice(&bytes);
        if self.pending.len() < WRITE_BYTES {
            return Ok(self);
        }
        blocking(move || {
            let begun = Some(self.flush()?);
            Ok(SpoolWriter { begun, ..self })
        })
        .await
    }

    /// Completes the file. The file exists as long as the returned value.
    pub(crate) async fn close(mut self) -> io::Result<SpooledFile> {
        blocking(move || self.flush().map(|begun| begun.file)).await
    }

    fn flush(&mut self) -> io::Result<Begun> {
        let mut begun = match self.begun.take() {
            Some(begun) => begun,
            None => self.spool.create()?,
        };
        begun.open.write_all(&self.pending)?;
        self.pending.clear();
        Ok(begun)
    }
}

async fn blocking<T: Send + 'static>(run: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(run).await.map_err(io::Error::other)?
}
