//! Builds of whole projects by tests: in one target folder, so that a dependency is compiled once.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The profile of the workspace. Builds share only dependencies that are compiled with the same profile.
const PROFILE: &str = "[profile.dev]\ndebug = \"line-tables-only\"\n[profile.dev.package.\"*\"]\ndebug = false\n";

/// Returns the target folder of these projects. It is not the workspace's: that folder contains the projects,
/// and `pixie dev` does not watch files in the target folder.
pub(crate) fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("target")
}

/// Lets cargo build the projects in a folder with the profile of the workspace.
pub(crate) fn share_profile(folder: &Path) {
    fs::create_dir_all(folder.join(".cargo")).expect("a folder");
    fs::write(folder.join(".cargo/config.toml"), PROFILE).expect("a file");
}
