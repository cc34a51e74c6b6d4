//! The three system calls of Landlock, and the rights that each version of its interface has.
//!
//! Owns the bindings, after the kernel's `linux/landlock.h`. Leaves which rights a worker gets to `files`.
//! Invariant: a right that the kernel does not know is left out, so that the other rights are still enforced.

use std::{
    io,
    os::fd::{AsFd, AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
};

use libc::c_long;

/// The newest version of the interface that was considered here.
const NEWEST: u8 = 9;

pub(super) const EXECUTE: u64 = 1;
pub(super) const WRITE_FILE: u64 = 1 << 1;
pub(super) const READ_FILE: u64 = 1 << 2;
pub(super) const READ_DIR: u64 = 1 << 3;
pub(super) const REMOVE_DIR: u64 = 1 << 4;
pub(super) const REMOVE_FILE: u64 = 1 << 5;
pub(super) const MAKE_CHAR: u64 = 1 << 6;
pub(super) const MAKE_DIR: u64 = 1 << 7;
pub(super) const MAKE_REG: u64 = 1 << 8;
pub(super) const MAKE_FIFO: u64 = 1 << 10;
pub(super) const MAKE_BLOCK: u64 = 1 << 11;
pub(super) const MAKE_SYM: u64 = 1 << 12;
pub(super) const REFER: u64 = 1 << 13;
pub(super) const TRUNCATE: u64 = 1 << 14;
/// Every right on files that was considered here; all but those above are never allowed: sockets (bit 9),
/// commands to devices (bit 15) and connections to sockets (bit 16).
pub(super) const ALL: u64 = (1 << 17) - 1;
/// The rights that a rule about a file may have; the others are about directories.
pub(super) const OF_FILE: u64 = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE;

const CREATE_RULESET_VERSION: u32 = 1;
const RULE_PATH_BENEATH: u32 = 1;

/// What a ruleset forbids unless a rule allows it. Later kernels have more fields; they take a shorter
/// struct.
#[repr(C)]
#[derive(Debug, PartialEq, Eq)]
struct Handled {
    files: u64,
    /// Binding (1) and connecting (2) TCP sockets.
    network: u64,
    /// Connecting to abstract sockets (1) and sending signals (2) to processes outside.
    scope: u64,
}

impl Handled {
    /// Returns the part of the wanted rights, and of all rights on the network and other processes, that a
    /// version has.
    fn by(version: u8, files: u64) -> Self {
        let known = match version {
            0 => 0,
            1 => (1 << 13) - 1,
            2 => (1 << 14) - 1,
            3 | 4 => (1 << 15) - 1,
            5..9 => (1 << 16) - 1,
            9.. => ALL,
        };
        Handled {
            files: files & known,
            network: if version >= 4 { 3 } else { 0 },
            scope: if version >= 6 { 3 } else { 0 },
        }
    }
}

/// Allows some of the forbidden rights on a file, or on everything below a directory.
#[repr(C, packed)]
struct PathBeneath {
    allowed: u64,
    parent: RawFd,
}

/// Rights that are forbidden, and the rules that allow some of them.
#[derive(Debug)]
pub(super) struct Ruleset {
    descriptor: OwnedFd,
    handled: Handled,
    version: u8,
}

impl Ruleset {
    /// Creates a ruleset that forbids these rights on files, all use of the network, and signals to other
    /// processes, as far as the kernel can; `None` if the kernel has no Landlock.
    pub(super) fn forbid(files: u64) -> io::Result<Option<Self>> {
        let version = version();
        if version == 0 {
            return Ok(None);
        }
        let handled = Handled::by(version, files);
        // SAFETY: `handled` has the layout of the kernel's `landlock_ruleset_attr` and lives through the
        // call.
        let created = unsafe {
            libc::syscall(libc::SYS_landlock_create_ruleset, &raw const handled, size_of::<Handled>(), 0_u32)
        };
        let descriptor = RawFd::try_from(done(created)?).map_err(io::Error::other)?;
        // SAFETY: the call has just returned this descriptor, so that this is its only owner.
        let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
        Ok(Some(Ruleset { descriptor, handled, version }))
    }

    /// Allows these rights on a file, or on everything below a directory.
    pub(super) fn allow(&self, target: impl AsFd, rights: u64) -> io::Result<()> {
        let allowed = rights & self.handled.files;
        if allowed == 0 {
            return Ok(());
        }
        let rule = PathBeneath { allowed, parent: target.as_fd().as_raw_fd() };
        let ruleset = self.descriptor.as_raw_fd();
        // SAFETY: both descriptors are open, and `rule` has the layout of the kernel's
        // `landlock_path_beneath_attr` and lives through the call.
        let added =
            unsafe { libc::syscall(libc::SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &raw const rule, 0_u32) };
        done(added).map(drop)
    }

    /// Applies the ruleset to this thread and to those that it starts, and returns the version of the
    /// interface that is in force.
    pub(super) fn enter(self) -> io::Result<u8> {
        // SAFETY: the descriptor is open; the call changes only what this thread may do.
        let entered = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, self.descriptor.as_raw_fd(), 0_u32) };
        done(entered)?;
        Ok(self.version)
    }
}

/// Returns the version of the kernel's interface; 0 without Landlock, or if the administrator has turned it
/// off.
fn version() -> u8 {
    let nothing = std::ptr::null::<Handled>();
    // SAFETY: with this flag the kernel reads no attributes and returns a number.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, nothing, 0_usize, CREATE_RULESET_VERSION) };
    u8::try_from(version.clamp(0, c_long::from(NEWEST))).unwrap_or(0)
}

fn done(result: c_long) -> io::Result<c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_kernel_is_asked_only_for_what_it_knows() {
        for (version, files, network, scope) in [
            (1, 0x1fff, 0, 0),
            (2, 0x3fff, 0, 0),
            (3, 0x7fff, 0, 0),
            (4, 0x7fff, 3, 0),
            (5, 0xffff, 3, 0),
            (6, 0xffff, 3, 3),
            (8, 0xffff, 3, 3),
            (9, 0x1_ffff, 3, 3),
        ] {
            assert_eq!(Handled::by(version, ALL), Handled { files, network, scope }, "version {version}");
            assert_eq!(Handled::by(version, WRITE_FILE | TRUNCATE).files & !files, 0);
        }
    }

    #[test]
    fn the_structs_have_the_layout_of_the_kernel() {
        assert_eq!((size_of::<Handled>(), size_of::<PathBeneath>()), (24, 12));
    }
}
