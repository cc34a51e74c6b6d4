//! Landlock: which files a worker may touch, and a border around its process.
//!
//! Owns the rights behind `read` and `write`. Rule: also a profile that leaves files alone gets a domain of its own, because
//! the kernel keeps a process in one from tracing those outside and from reading their memory through /proc.

use std::{io, os::fd::OwnedFd, path::Path};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, LandlockStatus, PathBeneath, Ruleset, RulesetAttr as _,
    RulesetCreated, RulesetCreatedAttr as _, RulesetStatus, Scope, make_bitflags,
};
use rustix::{
    fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat2},
    io::Errno,
};

use crate::sandbox::{Profile, Sandbox};

/// The newest interface that was considered here; older kernels do what they can of it.
const KNOWN: ABI = ABI::V9;

/// What every worker may read: its own program for backtraces, and what libraries read whatever they are for.
const READABLE: [&str; 6] =
    ["/proc/self/exe", "/usr/share/zoneinfo", "/etc/localtime", "/dev/urandom", "/dev/random", "/dev/zero"];
const WRITABLE: &str = "/dev/null";

/// Locks files and the border; returns the version of the kernel's interface, 0 if there is none.
pub(super) fn restrict(sandbox: &Sandbox) -> io::Result<u8> {
    let mut ruleset = Ruleset::default()
        .handle_access(handled(sandbox.profile))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(KNOWN)))
        .and_then(|rules| rules.scope(Scope::from_all(KNOWN)))
        .and_then(Ruleset::create)
        .map_err(|e| failed("preparing Landlock", e))?;
    ruleset = match sandbox.profile {
        Profile::Strict => allow(ruleset, sandbox)?,
        Profile::NoNetwork | Profile::None => allow_files(ruleset)?,
    };
    let status = ruleset.restrict_self().map_err(|e| failed("entering Landlock", e))?;
    Ok(match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, _) => 0,
        (_, LandlockStatus::Available { effective_abi, .. }) => effective_abi as u8,
        _ => 0,
    })
}

/// What is forbidden unless a rule allows it. Device nodes are for nobody; running programs is also stopped by the filter.
fn handled(profile: Profile) -> BitFlags<AccessFs> {
    match profile {
        Profile::Strict => AccessFs::from_all(KNOWN),
        // Moves between directories are forbidden by every ruleset that does not allow them.
        Profile::NoNetwork | Profile::None => {
            make_bitflags!(AccessFs::{MakeChar | MakeBlock | Execute | WriteFile | Refer})
        }
    }
}

/// Leaves files alone, but for the switches of the kernel and of other processes: what stands below `/` when the worker starts can
/// be written, without `/proc` and `/sys`, of which it gets its own part.
fn allow_files(mut ruleset: RulesetCreated) -> io::Result<RulesetCreated> {
    let (root, own) = (Path::new("/"), Path::new("/proc/self"));
    let entries = root.read_dir().map_err(|e| failed("listing /", e))?.flatten().map(|entry| entry.path());
    let files = entries.filter(|path| path != Path::new("/proc") && path != Path::new("/sys"));
    for path in files.chain([own.to_owned()]) {
        // What a link leads to is an entry itself, or below one.
        if let Ok(target) = open(&path, followed(&path)) {
            ruleset = add(ruleset, &path, target, AccessFs::WriteFile.into())?;
        }
    }
    let target = open(root, ResolveFlags::empty()).map_err(|e| failed("opening /", io::Error::from(e)))?;
    add(ruleset, root, target, AccessFs::Refer.into())
}

fn allow(mut ruleset: RulesetCreated, sandbox: &Sandbox) -> io::Result<RulesetCreated> {
    let system = READABLE.into_iter().map(|path| (Path::new(path), false)).chain([(Path::new(WRITABLE), true)]);
    for (path, is_writable) in system {
        // Not every system has all of them.
        if let Ok(target) = open(path, ResolveFlags::empty()) {
            ruleset = allow_path(ruleset, path, target, is_writable)?;
        }
    }
    for (path, is_writable) in sandbox.paths() {
        // A job may have removed one, which must not keep a pool from starting workers: what is not there is not allowed.
        match open(path, followed(path)) {
            Ok(target) => ruleset = allow_path(ruleset, path, target, is_writable)?,
            Err(Errno::LOOP) => {
                eprintln!("worker: a link stands where {} was, so nothing is allowed there", path.display())
            }
            Err(_) => {}
        }
    }
    Ok(ruleset)
}

/// Which links are followed on the way to what a program allows: none, because the pool has done that and a job may have made
/// new ones; below `/proc`, where nobody makes any, those of the kernel that stay there.
fn followed(path: &Path) -> ResolveFlags {
    if path.starts_with("/proc") { ResolveFlags::NO_MAGICLINKS } else { ResolveFlags::NO_SYMLINKS }
}

fn open(path: &Path, resolve: ResolveFlags) -> Result<OwnedFd, Errno> {
    openat2(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve)
}

fn allow_path(ruleset: RulesetCreated, path: &Path, target: OwnedFd, is_writable: bool) -> io::Result<RulesetCreated> {
    let metadata = fstat(&target).map_err(|e| failed(&allowing(path), io::Error::from(e)))?;
    let is_directory = FileType::from_raw_mode(metadata.st_mode).is_dir();
    add(ruleset, path, target, rights(is_directory, is_writable))
}

fn add(
    ruleset: RulesetCreated,
    path: &Path,
    target: OwnedFd,
    rights: BitFlags<AccessFs>,
) -> io::Result<RulesetCreated> {
    ruleset.add_rule(PathBeneath::new(target, rights)).map_err(|e| failed(&allowing(path), e))
}

fn allowing(path: &Path) -> String {
    format!("allowing {}", path.display())
}

fn rights(is_directory: bool, is_writable: bool) -> BitFlags<AccessFs> {
    let read = make_bitflags!(AccessFs::{ReadFile | ReadDir});
    let change = make_bitflags!(AccessFs::{
        WriteFile | Truncate | RemoveFile | RemoveDir | MakeReg | MakeDir | MakeSym | MakeFifo | Refer
    });
    let all = if is_writable { read | change } else { read };
    if is_directory { all } else { all & AccessFs::from_file(KNOWN) }
}

fn failed(doing: &str, error: impl std::error::Error) -> io::Error {
    // What the crate says first is which step it was; the cause is what the system said.
    let cause = std::iter::successors(error.source(), |e| e.source())
        .last()
        .map_or_else(|| error.to_string(), |e| e.to_string());
    io::Error::other(format!("{doing} failed: {cause}"))
}
