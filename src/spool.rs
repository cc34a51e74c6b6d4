//! The spool: a folder of temporary files for what clients upload, and the writer of one of them.
//!
//! Only this user can read the folder, and a file goes away with its last value, with the app, or, where the whole process
//! was killed, at the next start. Must stay true: no blocking write on the runtime's threads.
use std::{
    fs::{File, Permissions, read_dir, remove_dir_all},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use pixie_core::SpooledFile;
use tempfile::{Builder, NamedTempFile, TempDir};
use tokio::task::spawn_blocking;

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
    /// Locked while the process lives, so that others can tell a folder that was left behind.
    _lock: File,
}

impl Spool {
    /// Makes the folder within this one, or within the system's for temporary files.
    pub(crate) fn new(parent: Option<PathBuf>) -> Spool {
        Spool { parent: parent.unwrap_or_else(std::env::temp_dir), folder: Mutex::new(None) }
    }

    /// Returns the folder, which is made if nothing has needed it yet.
    pub(crate) fn path(&self) -> io::Result<PathBuf> {
        let mut folder = self.folder.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = match folder.take() {
            Some(made) => folder.insert(made),
            None => folder.insert(Folder::new(&self.parent)?),
        };
        Ok(folder.path.path().to_owned())
    }

    /// Removes the folder with what is left in it, at the end of a server.
    pub(crate) fn remove(&self) {
        self.folder.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Starts a file.
    pub(crate) fn writer(&self) -> io::Result<SpoolWriter> {
        let mut folder = self.folder.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = folder.as_ref() {
            match NamedTempFile::new_in(folder.path.path()) {
                // Something tidied the system's temporary files up.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                made => return made.map(SpoolWriter::new),
            }
        }
        let folder = folder.insert(Folder::new(&self.parent)?);
        NamedTempFile::new_in(folder.path.path()).map(SpoolWriter::new)
    }
}

impl Folder {
    fn new(parent: &Path) -> io::Result<Folder> {
        sweep(parent);
        let path = Builder::new().prefix(PREFIX).permissions(Permissions::from_mode(0o700)).tempdir_in(parent)?;
        if path.path().to_str().is_none() {
            return Err(io::Error::other(
                "the folder for uploads has a path that is no UTF-8: set another with `App::upload_dir`",
            ));
        }
        let lock = File::create(path.path().join(LOCK))?;
        lock.lock()?;
        Ok(Folder { path, _lock: lock })
    }
}

/// Removes the folders of processes that were killed: those whose lock nobody holds. What fails here is left for later.
fn sweep(parent: &Path) {
    let Ok(entries) = read_dir(parent) else { return };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if !is_ours || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        // Without the file it may be a folder that is being made just now.
        if let Ok(lock) = File::open(entry.path().join(LOCK))
            && lock.try_lock().is_ok()
        {
            let _ = remove_dir_all(entry.path());
        }
    }
}

/// Writes one file of the spool; dropped before it is closed, it removes what it has written.
pub(crate) struct SpoolWriter {
    file: NamedTempFile,
    pending: Vec<u8>,
}

impl SpoolWriter {
    fn new(file: NamedTempFile) -> SpoolWriter {
        SpoolWriter { file, pending: Vec::new() }
    }

    /// Appends bytes.
    pub(crate) async fn write(mut self, bytes: Bytes) -> io::Result<SpoolWriter> {
        self.pending.extend_from_slice(&bytes);
        if self.pending.len() < WRITE_BYTES {
            return Ok(self);
        }
        self.flush().await
    }

    /// Ends the file, which lives as long as the value that is returned.
    pub(crate) async fn close(self) -> io::Result<SpooledFile> {
        let written = self.flush().await?;
        written.file.into_temp_path().keep().map(SpooledFile::owned).map_err(|error| error.error)
    }

    async fn flush(mut self) -> io::Result<SpoolWriter> {
        let written = spawn_blocking(move || {
            self.file.write_all(&self.pending)?;
            self.pending.clear();
            Ok(self)
        });
        written.await.map_err(io::Error::other)?
    }
}
