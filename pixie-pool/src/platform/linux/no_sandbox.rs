//! Linux without what a sandbox needs: another processor, or a build without the feature.
//!
//! Owns nothing. Rule: it says that nothing is in force, so that a required sandbox is refused and any other is reported.

use std::io;

use crate::sandbox::{Sandbox, SandboxLevel};

pub(crate) fn restrict(_: &Sandbox) -> io::Result<SandboxLevel> {
    Ok(SandboxLevel::default())
}

pub(crate) fn restrict_thread(_: &Sandbox) -> io::Result<SandboxLevel> {
    Ok(SandboxLevel::default())
}
