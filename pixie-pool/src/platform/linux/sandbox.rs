//! The sandbox around this process.
//!
//! Owns the order of its parts and the capabilities of the process. Leaves files to `files` and system calls
//! to `syscalls`. Invariant: a process with one thread enters it, because Landlock covers one thread.

mod files;
mod landlock;
mod syscalls;

use std::io;

use rustix::{
    process::{DumpableBehavior, set_dumpable_behavior},
    thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_no_new_privs},
};

use crate::sandbox::{Sandbox, SandboxLevel};

/// The capabilities that a worker of root keeps: those over files, so that it finds its files as before,
/// where Landlock allows it. Without `FSETID`, a write removes the set-user-id bit from a file, so that a job
/// cannot leave a program of root behind.
const KEPT: CapabilitySet = CapabilitySet::CHOWN.union(CapabilitySet::DAC_OVERRIDE).union(CapabilitySet::FOWNER);

/// Forbids what the sandbox forbids, as far as this kernel can, and returns what is in force. With
/// `is_in_a_test`, this process may have other threads, which stay outside.
pub(crate) fn restrict(sandbox: &Sandbox, is_in_a_test: bool) -> io::Result<SandboxLevel> {
    if !is_in_a_test {
        check_threads(super::threads())?;
    }
    // From now on, other processes of this user cannot trace this one or read its memory.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    set_no_new_privs(true)?;
    drop_capabilities()?;
    // Files first: a later filter might forbid a system call that Landlock needs.
    let landlock = files::restrict(sandbox)?;
    let seccomp = syscalls::restrict(sandbox.profile)?;
    Ok(SandboxLevel { landlock, seccomp, limits: false })
}

/// Drops root's capabilities. With them, a worker of a server that runs as root could mount, load modules and
/// set the clock; with `CAP_PERFMON` alone, it could read the server's environment in spite of Landlock.
fn drop_capabilities() -> io::Result<()> {
    let held = capabilities(None)?;
    let kept = CapabilitySets {
        effective: held.effective & KEPT,
        permitted: held.permitted & KEPT,
        inheritable: CapabilitySet::empty(),
    };
    Ok(set_capabilities(None, kept)?)
}

fn check_threads(count: usize) -> io::Result<()> {
    match count {
        1 => Ok(()),
        0 => Err(io::Error::other("cannot count the threads of this process, because /proc is missing")),
        _ => Err(io::Error::other(format!(
            "this process already has {count} threads, and the others would stay outside. Call pixie_pool::worker() \
             (pixie_web::run() does) first in a plain `fn main`, not under #[tokio::main], and start threads in \
             handlers, not before serving"
        ))),
    }
}
