//! The files that a worker may use, and the border around its process.
//!
//! Owns the rights behind `Sandbox::read` and `Sandbox::write`. Leaves the system calls to `landlock`.
//! Invariant: a worker with access to all files is in a domain of its own, too, because the kernel keeps a
//! process in a domain from tracing processes outside and from reading their memory through /proc.

use std::{
    fmt::Display,
    io,
    os::fd::{AsFd as _, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat2},
    io::Errno,
};

use super::landlock::{
    self, EXECUTE, MAKE_BLOCK, MAKE_CHAR, MAKE_DIR, MAKE_FIFO, MAKE_REG, MAKE_SYM, READ_DIR, READ_FILE, REFER,
    REMOVE_DIR, REMOVE_FILE, Ruleset, TRUNCATE, WRITE_FILE,
};
use crate::sandbox::{Access, Profile, Sandbox};

/// What every worker may read: its own program, for backtraces, and what common libraries read.
const READABLE: [&str; 6] =
    ["/proc/self/exe", "/usr/share/zoneinfo", "/etc/localtime", "/dev/urandom", "/dev/random", "/dev/zero"];
const WRITABLE: &str = "/dev/null";

/// Restricts this thread and returns the version of the kernel's interface; 0 if the kernel has no Landlock.
pub(super) fn restrict(sandbox: &Sandbox) -> io::Result<u8> {
    let forbidden = forbidden(sandbox.profile);
    let Some(ruleset) = Ruleset::forbid(forbidden).map_err(|e| failed("preparing Landlock", &e))? else {
        return Ok(0);
    };
    match sandbox.profile {
        Profile::Strict => allow_named(&ruleset, sandbox)?,
        Profile::NoNetwork | Profile::None => allow_most(&ruleset)?,
    }
    ruleset.enter().map_err(|e| failed("entering Landlock", &e))
}

/// Returns what is forbidden unless a rule allows it. Rules never allow device nodes and programs; the filter
/// of system calls also forbids to run programs.
fn forbidden(profile: Profile) -> u64 {
    match profile {
        Profile::Strict => landlock::ALL,
        // Every ruleset forbids moves between directories, unless a rule allows them.
        Profile::NoNetwork | Profile::None => MAKE_CHAR | MAKE_BLOCK | EXECUTE | WRITE_FILE | REFER,
    }
}

/// Allows to write every file, except the switches of the kernel and of other processes: each entry of `/`
/// that exists now, without `/proc` and `/sys`, and the worker's own part of `/proc`.
fn allow_most(ruleset: &Ruleset) -> io::Result<()> {
    let (root, own) = (Path::new("/"), Path::new("/proc/self"));
    let entries = root.read_dir().map_err(|e| failed("listing /", &e))?.flatten().map(|entry| entry.path());
    let files = entries.filter(|path| path != Path::new("/proc") && path != Path::new("/sys"));
    for path in files.chain([own.to_owned()]) {
        // A link is skipped: its target is, or is below, another entry.
        if let Ok(target) = open(&path, refused_links(&path)) {
            add(ruleset, &path, &target, WRITE_FILE)?;
        }
    }
    let target = open(root, ResolveFlags::empty()).map_err(|e| failed("opening /", &e.into()))?;
    add(ruleset, root, &target, REFER)
}

fn allow_named(ruleset: &Ruleset, sandbox: &Sandbox) -> io::Result<()> {
    let system = READABLE.into_iter().map(|path| (Path::new(path), Access::Read));
    let system = system.chain([(Path::new(WRITABLE), Access::Write)]);
    for (path, access) in system {
        // Some systems lack some of these files.
        if let Ok(target) = open(path, ResolveFlags::empty()) {
            allow_path(ruleset, path, &target, access)?;
        }
    }
    for (path, access) in sandbox.paths() {
        // A missing path does not fail the start: a job may have removed it, and workers must still start.
        match open(path, refused_links(path)) {
            Ok(target) => allow_path(ruleset, path, &target, access)?,
            Err(Errno::LOOP) => {
                eprintln!("worker: {} has become a link, so the sandbox allows no access there", path.display())
            }
            Err(_) => {}
        }
    }
    Ok(())
}

/// Returns which links are refused on the way to an allowed path. The pool has resolved all links, so a link
/// on the way was made later, perhaps by a job, and is refused. Jobs cannot make links below `/proc`: there,
/// only the kernel's links to places outside of `/proc` are refused.
fn refused_links(path: &Path) -> ResolveFlags {
    if path.starts_with("/proc") { ResolveFlags::NO_MAGICLINKS } else { ResolveFlags::NO_SYMLINKS }
}

fn open(path: &Path, resolve: ResolveFlags) -> Result<OwnedFd, Errno> {
    openat2(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve)
}

fn allow_path(ruleset: &Ruleset, path: &Path, target: &OwnedFd, access: Access) -> io::Result<()> {
    let metadata = fstat(target).map_err(|e| failed(format_args!("allowing {}", path.display()), &e.into()))?;
    let is_directory = FileType::from_raw_mode(metadata.st_mode).is_dir();
    add(ruleset, path, target, rights(is_directory, access))
}

fn add(ruleset: &Ruleset, path: &Path, target: &OwnedFd, rights: u64) -> io::Result<()> {
    ruleset.allow(target.as_fd(), rights).map_err(|e| failed(format_args!("allowing {}", path.display()), &e))
}

fn rights(is_directory: bool, access: Access) -> u64 {
    let read = READ_FILE | READ_DIR;
    let change = WRITE_FILE | TRUNCATE | REMOVE_FILE | REMOVE_DIR | MAKE_REG | MAKE_DIR | MAKE_SYM | MAKE_FIFO | REFER;
    let all = match access {
        Access::Read => read,
        Access::ReadUnlisted => READ_FILE,
        Access::Write => read | change,
    };
    if is_directory { all } else { all & landlock::OF_FILE }
}

fn failed(doing: impl Display, error: &io::Error) -> io::Error {
    io::Error::other(format!("{doing} failed: {error}"))
}
