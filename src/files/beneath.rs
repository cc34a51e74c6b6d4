//! Opens a file inside a folder. No symbolic link can lead out of the folder.
//!
//! `name.rs` has already checked the name. On Linux the kernel resolves the path and refuses to leave the
//! folder. Elsewhere, and on older kernels, the resolved path is compared with the path of the folder.
use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    path::Path,
};

#[cfg(target_os = "linux")]
pub(super) use linux::open;
#[cfg(not(target_os = "linux"))]
pub(super) use resolve_and_open as open;

/// Opens a file or folder. Returns `None` if it does not exist or may not be read, and an error if the disk
/// or the root fails.
///
/// A process that may change the folder could change it between the comparison and the opening. A client
/// cannot.
fn resolve_and_open(root: &Path, path: &str) -> io::Result<Option<File>> {
    let root = root.canonicalize()?;
    let resolved = match root.join(path).canonicalize() {
        Ok(resolved) if resolved.starts_with(&root) => resolved,
        Ok(_) => return Ok(None),
        Err(error) => return absent(error),
    };
    // Opening a named pipe would wait for a writer.
    match fs::metadata(&resolved) {
        Ok(found) if found.is_file() || found.is_dir() => File::open(resolved).map(Some).or_else(absent),
        Ok(_) => Ok(None),
        Err(error) => absent(error),
    }
}

fn absent<T>(error: io::Error) -> io::Result<Option<T>> {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied => Ok(None),
        ErrorKind::InvalidInput | ErrorKind::InvalidFilename => Ok(None),
        _ => Err(error),
    }
}

#[cfg(target_os = "linux")]
mod linux {
    //! `openat2` with `RESOLVE_BENEATH` (Linux 5.6) checks and opens the path in one step, so that it cannot
    //! change in between.
    use std::{fs::File, io, path::Path};

    use rustix::{
        fs::{Mode, OFlags, ResolveFlags, open as open_path, openat2},
        io::Errno,
    };

    /// Limits the attempts. The kernel returns an error if links are renamed at the same time.
    const TRIES: usize = 8;

    pub(in crate::files) fn open(root: &Path, path: &str) -> io::Result<Option<File>> {
        let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = open_path(root, folder, Mode::empty())?;
        // Without `NONBLOCK`, opening a named pipe waits for a writer.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let path = if path.is_empty() { "." } else { path };
        for _ in 0..TRIES {
            match openat2(&folder, path, flags, Mode::empty(), resolve) {
                Ok(file) => return Ok(Some(File::from(file))),
                Err(Errno::AGAIN | Errno::INTR) => {}
                // Older kernels do not have this call, and some sandboxes forbid unknown calls.
                Err(Errno::NOSYS | Errno::PERM) => return super::resolve_and_open(root, path),
                Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS | Errno::LOOP | Errno::XDEV) => return Ok(None),
                Err(Errno::NAMETOOLONG | Errno::INVAL | Errno::NXIO) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        Err(Errno::AGAIN.into())
    }
}

#[cfg(test)]
mod tests;
