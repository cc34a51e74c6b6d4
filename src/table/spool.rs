//! The spool: a folder of temporary files for what clients upload, and the writer of one of them.
//!
//! Only this user can read the folder, and a file goes away with its last value, with the app, or, where the whole process
//! was killed, at the next start. Must stay true: for an upload, the runtime's threads create, write and remove no file.
use std::{
    fs::{DirBuilder, File, Permissions, read_dir, remove_dir_all, remove_file},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use bytes::Bytes;
use pixie_core::SpooledFile;
use tempfile::{Builder, NamedTempFile, TempDir};
use tokio::{runtime::Handle, task::spawn_blocking};

/// Bytes that are gathered before they are written: a hop to a blocking thread costs as much as copying some 100 KiB.
const WRITE_BYTES: usize = 256 * 1024;
const PREFIX: &str = "pixie-uploads-";
const LOCK: &str = "lock";

/// The folder of an app's temporary files, made when the first one is needed.
pub(crate) struct Spool {
    parent: PathBuf,
    folder: Mutex<Option<Folder>>,
}

struct Folder {
    path: TempDir,
    /// Locked while the process lives.
    _locks: Locks,
}

/// The lock of the folder keeps systemd-tmpfiles from tidying up in there (tmpfiles.d(5), on BSD file locks), that of the file
/// tells other servers that nobody has left the folder behind. It is there before the file is, without which nobody sweeps.
struct Locks {
    _folder: File,
    _file: File,
}

impl Spool {
    /// Makes the folder within this one, or within the system's for temporary files.
    pub(crate) fn new(parent: Option<PathBuf>) -> Spool {
        Spool { parent: parent.unwrap_or_else(std::env::temp_dir), folder: Mutex::new(None) }
    }

    /// Removes what killed processes left, on a thread of its own.
    pub(crate) fn sweep(&self) {
        let parent = self.parent.clone();
        // Without a thread it is left for the next start.
        let _ = thread::Builder::new().name("pixie-sweep".into()).spawn(move || sweep(&parent));
    }

    /// Returns the folder, which is made if nothing has needed it yet.
    pub(crate) fn path(&self) -> io::Result<PathBuf> {
        let mut folder = self.folder.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(self.made(&mut folder)?.path.path().to_owned())
    }

    /// Removes the folder with what is left in it, at the end of a server.
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
        let made = match NamedTempFile::new_in(folder.path.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                folder.restore()?;
                NamedTempFile::new_in(folder.path.path())
            }
            made => made,
        };
        let (open, path) = made?.keep().map_err(|error| error.error)?;
        Ok(Begun { open, file: SpooledFile::owned(path, remove) })
    }

    fn made<'f>(&self, folder: &'f mut Option<Folder>) -> io::Result<&'f mut Folder> {
        match folder {
            Some(made) => Ok(made),
            None => Ok(folder.insert(Folder::new(&self.parent)?)),
        }
    }
}

impl Folder {
    fn new(parent: &Path) -> io::Result<Folder> {
        let path = Builder::new().prefix(PREFIX).permissions(Permissions::from_mode(0o700)).tempdir_in(parent)?;
        if path.path().to_str().is_none() {
            return Err(io::Error::other(
                "the folder for uploads has a path that is no UTF-8: set another with `App::upload_dir`",
            ));
        }
        let _locks = Locks::take(path.path())?;
        Ok(Folder { path, _locks })
    }

    /// Makes the folder again after somebody has removed it. The name stays, because workers in a strict sandbox that are started
    /// from now on are told to read it; to those that are there already the kernel allows only the folder that is gone.
    fn restore(&mut self) -> io::Result<()> {
        let path = self.path.path();
        DirBuilder::new().mode(0o700).create(path)?;
        self._locks = Locks::take(path)?;
        let fix = "keep them elsewhere with `App::upload_dir`";
        tracing::warn!(
            folder = %path.display(),
            "the folder for uploads was removed and is made again; workers in a strict sandbox cannot open new uploads until they \
             are replaced: {fix}"
        );
        Ok(())
    }
}

impl Locks {
    fn take(folder: &Path) -> io::Result<Locks> {
        let _folder = File::open(folder)?;
        _folder.lock()?;
        let _file = File::create(folder.join(LOCK))?;
        _file.lock()?;
        Ok(Locks { _folder, _file })
    }
}

/// Removes the folders of processes that were killed: those whose locks nobody holds. What fails here is left for later.
fn sweep(parent: &Path) {
    let Ok(entries) = read_dir(parent) else { return };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if !is_ours || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        // Without the file it may be a folder that is being made just now.
        if let Ok(file) = File::open(entry.path().join(LOCK))
            && let Ok(folder) = File::open(entry.path())
            && file.try_lock().is_ok()
            && folder.try_lock().is_ok()
        {
            let _ = remove_dir_all(entry.path());
        }
    }
}

/// Removes a file. Where the runtime's threads drop it another does: to free the blocks of a large one takes a while.
fn remove(path: PathBuf) {
    // It may be gone already, with its folder: that is what was wanted.
    let unlink = move || drop(remove_file(path));
    match Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(unlink)),
        Err(_) => unlink(),
    }
}

/// Writes one file of the spool; dropped before it is closed, it removes what it has written.
pub(crate) struct SpoolWriter {
    spool: Arc<Spool>,
    /// `None` until something is written.
    begun: Option<Begun>,
    pending: Vec<u8>,
}

/// A file that is open, and removed with this value.
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

    /// Ends the file, which lives as long as the value that is returned.
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
