//! A sandbox around this process, in the order in which its parts can be put on.
//!
//! Owns the switches of the process. Leaves files to `files` and system calls to `syscalls`.
//! Rule: it is entered by a process of one thread, because a lock on files covers one thread and those that it starts.

mod files;
mod syscalls;

use std::io;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

use crate::sandbox::{Sandbox, SandboxLevel};

/// Takes away what the sandbox forbids, as far as this kernel can, and returns what it could.
pub(crate) fn restrict(sandbox: &Sandbox) -> io::Result<SandboxLevel> {
    check_threads(super::threads())?;
    // Other processes of this user cannot trace it or read its memory; most of its files in /proc belong to root from now on.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    rustix::thread::set_no_new_privs(true)?;
    // Files first, because the filter forbids nothing that they need but might one day.
    let landlock = files::restrict(sandbox)?;
    let seccomp = syscalls::restrict(sandbox.profile)?;
    Ok(SandboxLevel { landlock, seccomp, limits: false })
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
