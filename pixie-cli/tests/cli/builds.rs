//! Builds of whole projects by tests: in the target folder of the workspace, so that a dependency is compiled
//! once.

use std::{
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::ErrorKind,
    path::{Path, PathBuf},
};

/// The profile of the workspace. Builds share only dependencies that are compiled with the same profile.
const PROFILE: &str = "[profile.dev]\ndebug = false\n";

/// Returns the target folder of these projects, which is the workspace's.
pub(crate) fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder").to_path_buf()
}

/// Makes an empty folder for a project, and lets cargo build there with the profile of the workspace.
///
/// The folder is outside of the workspace and of the target folder, in which `pixie dev` does not watch files. It
/// is the same in each run: in another folder the project would be another one for cargo, and the programs of each
/// run would stay in the target folder.
pub(crate) fn place(name: &str) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    env!("CARGO_MANIFEST_DIR").hash(&mut hasher);
    let temporary = fs::canonicalize(env::temp_dir()).expect("the folder of temporary files");
    let folder = temporary.join(format!("pixie-tests-{:x}", hasher.finish())).join(name);
    if let Err(error) = fs::remove_dir_all(&folder) {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{}: {error}", folder.display());
    }
    fs::create_dir_all(folder.join(".cargo")).expect("a folder");
    fs::write(folder.join(".cargo/config.toml"), PROFILE).expect("a file");
    folder
}
