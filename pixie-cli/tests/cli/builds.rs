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
/// The folder is outside of the workspace and of the target folder, in which `pixie dev` does not watch
/// files. It is the same in each run, because cargo keeps what it built for a project in another folder.
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

/// Removes the programs of a project from the target folder. Together they would need 2 GB, and the next run
/// compiles them again, because it writes the project again.
pub(crate) fn forget(name: &str) {
    let debug = target().join("debug");
    let _ = fs::remove_file(debug.join(name));
    let start = format!("{}-", name.replace('-', "_"));
    let hash_of = |file: &str| Some(file.strip_prefix(&start)?.len());
    for entry in fs::read_dir(debug.join("deps")).into_iter().flatten().flatten() {
        // A program has a hash of 16 digits and no extension. Other files are small.
        if entry.file_name().to_str().and_then(hash_of) == Some(16) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
