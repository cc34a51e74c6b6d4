//! How a worker enters its sandbox.
//!
//! Owns the order of the steps and the refusals. Leaves what a sandbox is to `crate::sandbox` and the system
//! calls to `platform`. Invariant: the worker takes its first job and starts its first thread after this has
//! returned.

use std::io;

use crate::{
    platform,
    sandbox::{Sandbox, SandboxLevel},
};

/// Applies a sandbox to the whole process or, in a test, to one thread.
pub(crate) type Restrict = fn(&Sandbox) -> io::Result<SandboxLevel>;

/// Applies the sandbox to this process and returns which parts of it are in force.
pub(crate) fn enter(sandbox: &Sandbox, restrict: Restrict) -> io::Result<SandboxLevel> {
    let limits = limit(sandbox).map_err(|e| io::Error::other(format!("setting its limits failed: {e}")))?;
    if !sandbox.is_wanted() {
        return Ok(SandboxLevel { limits, ..SandboxLevel::default() });
    }
    let level = SandboxLevel { limits, ..restrict(sandbox)? };
    match sandbox.missing(&level) {
        Some(missing) if sandbox.is_required => Err(io::Error::other(format!(
            "it is required, but this system lacks {missing}: use a newer kernel, or Sandbox::best_effort() to start without"
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
