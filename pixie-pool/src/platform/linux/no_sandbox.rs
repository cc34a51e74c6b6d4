//! In place of `linux::sandbox` on other processors and in builds without the feature `sandbox`.
//!
//! Invariant: it reports that no part of a sandbox is in force, so that a required sandbox is refused and
//! another one is logged.

use std::io;

use crate::sandbox::{Sandbox, SandboxLevel};

pub(crate) fn restrict(_: &Sandbox) -> io::Result<SandboxLevel> {
    Ok(SandboxLevel::default())
}

pub(crate) fn restrict_thread(_: &Sandbox) -> io::Result<SandboxLevel> {
    Ok(SandboxLevel::default())
}
