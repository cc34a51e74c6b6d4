//! `openat2` with `RESOLVE_BENEATH` (Linux 5.6) checks and opens the path in one step, so that it cannot
//! change in between.
use std::{fs::File, io, path::Path};

use rustix::{
    fs::{Mode, OFlags, ResolveFlags, open as open_path, openat2},
    io::Errno,
};

use super::portable;

/// Limits the attempts. The kernel returns an error if links are renamed at the same time.
const TRIES: usize = 8;

/// Opens a file or folder. Returns `None` if it does not exist or may not be read, and an error if the disk
/// or the root fails.
pub(crate) fn open(root: &Path, path: &str) -> io::Result<Option<File>> {
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
            Err(Errno::NOSYS | Errno::PERM) => return portable::open(root, path),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS | Errno::LOOP | Errno::XDEV) => return Ok(None),
            Err(Errno::NAMETOOLONG | Errno::INVAL | Errno::NXIO) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
    Err(Errno::AGAIN.into())
}
