//! The private directory in which workers find their parent.
//!
//! Owns one directory per pool, its lock, and the removal of directories that dead parents left.
//! Rule: only a directory of this user whose lock nobody holds is removed, only one with such a name, and only what we put into it.

use std::{
    env,
    ffi::OsStr,
    fs, io,
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
    pub(crate) fn open(wanted: Option<&Path>) -> Result<Self, String> {
        let base = base(wanted)?;
        remove_stale(&base);
        for _ in 0..DIRECTORY_TRIES_MAX {
            let mut random = [0; 8];
            platform::random(&mut random).map_err(|e| format!("drawing its name failed: {e}"))?;
            let path = base.join(format!("{PREFIX}{}-{:016x}", process::id(), u64::from_ne_bytes(random)));
            platform::create_private_directory(&path).map_err(|e| format!("creating {}: {e}", path.display()))?;
            match DirectoryLock::try_lock(&path) {
                Ok(Some(lock)) => return Ok(Rendezvous { path, _lock: lock }),
                // Another pool that is starting may have taken the new directory for a stale one: then there is a next try.
                Ok(None) => {}
                Err(error) => {
                    remove(&path);
                    return Err(format!("locking {}: {error}", path.display()));
                }
            }
        }
        Err(format!("others have taken {DIRECTORY_TRIES_MAX} new directories in {}", base.display()))
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

/// Returns the directory that is wanted, or else the first of the usual ones that will do.
fn base(wanted: Option<&Path>) -> Result<PathBuf, String> {
    if let Some(path) = wanted {
        return check(path).map(|()| path.to_owned()).map_err(|why| format!("{} {why}", path.display()));
    }
    let runtime = env::var_os("RUNTIME_DIRECTORY").and_then(|list| env::split_paths(&list).next());
    let session = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let candidates = [runtime, session, Some(env::temp_dir())];
    let found = candidates.into_iter().flatten().find(|path| check(path).is_ok());
    Ok(found.unwrap_or_else(|| PathBuf::from("/tmp")))
}

/// Says why sockets cannot be in there.
fn check(path: &Path) -> Result<(), String> {
    let bytes_max = SOCKET_PATH_BYTES_MAX - OWN_BYTES;
    match path.to_str() {
        None => Err("is not UTF-8, which what workers are told has to be".to_owned()),
        Some(_) if !path.is_absolute() => Err("is relative, and has to be absolute".to_owned()),
        Some(text) if text.len() > bytes_max => {
            Err(format!("has {} bytes, at most {bytes_max} leave room for a socket's name", text.len()))
        }
        Some(_) if !path.is_dir() => Err("is no directory".to_owned()),
        Some(_) => Ok(()),
    }
}

fn remove_stale(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else {
        return;
    };
    for entry in entries.flatten() {
        // What cannot be locked is left to the next pool.
        if is_directory_name(&entry.file_name())
            && let Ok(Some(_lock)) = DirectoryLock::try_lock(&entry.path())
        {
            remove(&entry.path());
        }
    }
}

/// Tells whether a pool gives its directory such a name: others begin theirs with `pixie-`, too.
fn is_directory_name(name: &OsStr) -> bool {
    let parts = name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|rest| rest.split_once('-'));
    let is_hex = |c: u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
    parts.is_some_and(|(pid, random)| is_number(pid) && random.len() == 16 && random.bytes().all(is_hex))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit())
}

/// Removes the sockets and marks and then the directory, which fails if anything else is in it.
fn remove(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let (name, kind) = (entry.file_name(), entry.file_type());
        let name = name.to_str().unwrap_or_default();
        let is_socket = is_number(name) && kind.is_ok_and(platform::is_socket);
        if is_socket || name.strip_suffix(MARK).and_then(|name| name.strip_suffix('.')).is_some_and(is_number) {
            let _ = fs::remove_file(entry.path());
        }
    }
    let _ = fs::remove_dir(directory);
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
mod tests {
    use std::os::unix::{ffi::OsStrExt as _, net::UnixListener};

    use super::*;

    #[test]
    fn a_directory_that_cannot_hold_sockets_is_refused_with_the_reason() {
        let long = format!("/{}", "x".repeat(SOCKET_PATH_BYTES_MAX));
        for (path, why) in [
            ("/no/such/dir".into(), "/no/such/dir is no directory"),
            ("src".into(), "src is relative"),
            (PathBuf::from(&long), "has 101 bytes, at most 55 "),
            (OsStr::from_bytes(b"/\xff").into(), "is not UTF-8"),
        ] {
            let message = Rendezvous::open(Some(&path)).unwrap_err();
            assert!(message.contains(why), "{message}");
        }
        // Not by its owner's rights, which the super-user has everywhere.
        assert!(Rendezvous::open(Some(Path::new("/proc"))).unwrap_err().contains("creating /proc/pixie-"));
    }

    #[test]
    fn what_others_put_beside_us_stays_and_what_a_dead_parent_left_goes() {
        let base = tempfile::tempdir().unwrap();
        let (ours, beside) = ("pixie-4194303-0123456789abcdef", "pixie-7-00000000000000ff");
        let others = ["pixie-myapp", "pixie-uploads-7-0123456789abcdef", "pixie-x-0123456789abcdef", "pixie-7-0123"];
        let at = |directory: &str, file: &str| base.path().join(directory).join(file);
        for directory in others.into_iter().chain([ours, beside]) {
            fs::create_dir(base.path().join(directory)).unwrap();
            drop(UnixListener::bind(at(directory, "1")).unwrap());
            fs::write(at(directory, "1.mark"), "").unwrap();
        }
        drop(UnixListener::bind(at(beside, "app.sock")).unwrap());
        fs::write(at(beside, "water.mark"), "").unwrap();
        drop(Rendezvous::open(Some(base.path())).unwrap());
        assert!(!at(ours, "").exists());
        assert!(others.iter().all(|other| at(other, "1").exists() && at(other, "1.mark").exists()));
        // Somebody else's files in a directory that looks like ours.
        assert!(at(beside, "app.sock").exists() && at(beside, "water.mark").exists());
    }
}
