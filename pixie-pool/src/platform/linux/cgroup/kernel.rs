//! The operations that change cgroupfs.
//!
//! Owns how a cgroup is created, removed and written to. Invariant: other code does not change cgroupfs, so
//! that tests can use an imitation on machines without delegated cgroups.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

/// The kernel adds files to a new folder and removes them with it, and may refuse a write because of other
/// cgroups.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kernel {
    pub(super) create: fn(&Path) -> io::Result<()>,
    pub(super) remove: fn(&Path) -> io::Result<()>,
    pub(super) write: fn(&Path, &str) -> io::Result<()>,
}

impl Kernel {
    pub(super) const REAL: Kernel =
        Kernel { create: |path| fs::create_dir(path), remove: |path| fs::remove_dir(path), write };
}

/// Writes the value in one call into a file that the kernel has created.
fn write(path: &Path, value: &str) -> io::Result<()> {
    File::options().write(true).open(path)?.write_all(value.as_bytes())
}

/// Returns whether a process could not be moved because it has exited.
pub(super) fn is_gone(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ESRCH)
}
