//! The operations in which cgroupfs is more than a file system.
//!
//! Owns how a cgroup is made, removed and written to. Rule: nothing else changes anything there, so that tests can put an imitation
//! in its place on machines that delegate nothing.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

/// A folder that is made gets its files from the kernel, and loses them with it; a write may be refused for what others do.
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

/// In one write, into a file that the kernel has put there.
fn write(path: &Path, value: &str) -> io::Result<()> {
    File::options().write(true).open(path)?.write_all(value.as_bytes())
}

/// Tells whether a process could not be moved because it has ended.
pub(super) fn is_gone(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ESRCH)
}
