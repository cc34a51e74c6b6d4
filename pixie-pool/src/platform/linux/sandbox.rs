//! A sandbox around this process, in the order in which its parts can be put on.
//!
//! Owns the switches of the process. Leaves files to `files` and system calls to `syscalls`.
//! Rule: it is entered by a process of one thread, because a lock on files covers one thread and those that it starts.

mod files;
mod syscalls;

use std::io;

use rustix::{
    process::{DumpableBehavior, set_dumpable_behavior},
    thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_no_new_privs},
};

use crate::sandbox::{Sandbox, SandboxLevel};

/// What root keeps of its powers: those over files, so that it finds its files as before, where Landlock lets it. Not `FSETID`: without
/// it a write takes the set-user-id bit away, with which a file may be created, so that no program of root's can be left behind.
const KEPT: CapabilitySet = CapabilitySet::CHOWN.union(CapabilitySet::DAC_OVERRIDE).union(CapabilitySet::FOWNER);

/// Takes away what the sandbox forbids, as far as this kernel can, and returns what it could.
pub(crate) fn restrict(sandbox: &Sandbox) -> io::Result<SandboxLevel> {
    check_threads(super::threads())?;
    restrict_thread(sandbox)
}

/// The same for this thread and those that it starts, whatever others there are.
pub(crate) fn restrict_thread(sandbox: &Sandbox) -> io::Result<SandboxLevel> {
    // Other processes of this user cannot trace it or read its memory; most of its files in /proc belong to root from now on.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    set_no_new_privs(true)?;
    drop_capabilities()?;
    // Files first, because the filter forbids nothing that they need but might one day.
    let landlock = files::restrict(sandbox)?;
    let seccomp = syscalls::restrict(sandbox.profile)?;
    Ok(SandboxLevel { landlock, seccomp, limits: false })
}

/// Leaves a worker of a server that runs as root little more than another user's would have. Without this a worker could mount,
/// load modules and set the clock; with `CAP_PERFMON` alone it could read the server's environment, whatever Landlock says.
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
        0 => Err(io::Error::other("it cannot be seen whether this process has one thread: /proc is not there")),
        _ => Err(io::Error::other(format!(
            "this process has {count} threads already, and those would stay outside. It has to find out that it is a \
             worker before it starts any: call pixie_pool::worker() (pixie_web::run() does) first in a plain `fn main`, \
             not under #[tokio::main], and start threads in handlers, not before serving"
        ))),
    }
}
