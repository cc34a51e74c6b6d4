//! A worker's way into its sandbox.
//!
//! Owns the order of the steps and the refusals. Leaves what a sandbox is to `crate::sandbox` and the system calls to `platform`.
//! Rule: no job is taken and no thread is started before this has returned.

use std::io;

use crate::{
    platform,
    sandbox::{Sandbox, SandboxLevel},
};

/// What puts a sandbox on: around the whole process, or in a test around one thread of it.
pub(crate) type Restrict = fn(&Sandbox) -> io::Result<SandboxLevel>;

/// Applies the sandbox to this process and returns what of it is in force.
pub(crate) fn enter(sandbox: &Sandbox, restrict: Restrict) -> io::Result<SandboxLevel> {
    let limits = limit(sandbox).map_err(|e| io::Error::other(format!("setting its limits failed: {e}")))?;
    if !sandbox.is_wanted() {
        return Ok(SandboxLevel { limits, ..SandboxLevel::default() });
    }
    let level = SandboxLevel { limits, ..restrict(sandbox)? };
    match sandbox.missing(&level) {
        Some(missing) if sandbox.is_required => Err(io::Error::other(format!(
            "it is required, but this system lacks {missing}: use Sandbox::best_effort() to go without, or a newer kernel"
        ))),
        _ => Ok(level),
    }
}

fn limit(sandbox: &Sandbox) -> io::Result<bool> {
    let (bytes, count) = (sandbox.file_bytes(), sandbox.open_files);
    if bytes > 0 {
        platform::limit_file_size(bytes)?;
    }
    if count > 0 {
        platform::limit_open_files(count)?;
    }
    Ok(bytes > 0 || count > 0)
}
