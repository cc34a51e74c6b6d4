//! The private directory in which workers find their parent.
//!
//! Owns one directory per pool, its lock, and the removal of directories that dead parents left.
//! Rule: only a directory of this user whose lock nobody holds is removed, and only sockets and marks in it.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process,
};

use interprocess::local_socket::{self as ls, GenericFilePath, ListenerOptions, ToFsName as _};

use crate::{
    config::{DIRECTORY_TRIES_MAX, SOCKET_PATH_BYTES_MAX},
    platform::{self, DirectoryLock},
};

const PREFIX: &str = "pixie-";
const MARK: &str = "mark";
/// Bytes that follow the base directory: `/pixie-`, a pid, a random part, `/`, a number.
const OWN_BYTES: usize = 7 + 10 + 1 + 16 + 1 + 10;

/// A directory that exists as long as this value.
#[derive(Debug)]
pub(crate) struct Rendezvous {
    path: PathBuf,
    _lock: DirectoryLock,
}

impl Rendezvous {
    /// Removes what dead parents have left and creates a directory of our own.
    pub(crate) fn open(wanted: Option<&Path>) -> io::Result<Self> {
        let base = base(wanted);
        remove_stale(&base);
        for _ in 0..DIRECTORY_TRIES_MAX {
            let mut random = [0; 8];
            platform::random(&mut random)?;
            let path = base.join(format!("{PREFIX}{}-{:016x}", process::id(), u64::from_ne_bytes(random)));
            platform::create_private_directory(&path)?;
            match DirectoryLock::try_lock(&path) {
                Ok(Some(lock)) => return Ok(Rendezvous { path, _lock: lock }),
                // Another pool that is starting may have taken the new directory for a stale one: then there is a next try.
                Ok(None) => {}
                Err(error) => {
                    remove(&path);
                    return Err(io::Error::new(error.kind(), format!("locking {}: {error}", path.display())));
                }
            }
        }
        Err(io::Error::other(format!("others have taken {DIRECTORY_TRIES_MAX} new directories in {}", base.display())))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Rendezvous {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Listens for one worker.
pub(crate) fn listen(path: &Path) -> io::Result<ls::tokio::Listener> {
    // A parent that was killed between two starts of this worker may have left the file.
    let _ = fs::remove_file(path);
    let options = ListenerOptions::new().name(path.to_fs_name::<GenericFilePath>()?);
    platform::socket_options(options).create_tokio()
}

/// The file in which the worker of a socket marks what it has started.
pub(crate) fn mark(socket: &Path) -> PathBuf {
    socket.with_extension(MARK)
}

/// Removes it, once both sides have opened it.
pub(crate) fn remove_mark(socket: &Path) {
    let _ = fs::remove_file(mark(socket));
}

fn base(wanted: Option<&Path>) -> PathBuf {
    let runtime = env::var_os("RUNTIME_DIRECTORY").and_then(|list| env::split_paths(&list).next());
    let session = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let candidates = [wanted.map(Path::to_owned), runtime, session, Some(env::temp_dir())];
    let is_short = |path: &Path| path.to_str().is_some_and(|text| text.len() + OWN_BYTES <= SOCKET_PATH_BYTES_MAX);
    let fits = |path: &PathBuf| path.is_absolute() && path.is_dir() && is_short(path);
    candidates.into_iter().flatten().find(fits).unwrap_or_else(|| PathBuf::from("/tmp"))
}

fn remove_stale(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else {
        return;
    };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        // What cannot be locked is left to the next pool.
        if is_ours && let Ok(Some(_lock)) = DirectoryLock::try_lock(&entry.path()) {
            remove(&entry.path());
        }
    }
}

/// Removes the sockets and marks and then the directory, which fails if anything else is in it.
fn remove(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let is_mark = entry.path().extension().is_some_and(|e| e == MARK);
        if is_mark || entry.file_type().is_ok_and(platform::is_socket) {
            let _ = fs::remove_file(entry.path());
        }
    }
    let _ = fs::remove_dir(directory);
}
