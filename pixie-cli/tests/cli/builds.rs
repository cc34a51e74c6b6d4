//! Builds of whole projects by tests: in the target folder of the workspace, so that a dependency is compiled
//! once.

use std::{
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::ErrorKind,
    path::{Path, PathBuf},
};

/// The profile of the workspace, because builds share only dependencies that are compiled with the same profile.
/// Incremental builds of pixie's crates, in ten combinations of features, would need 3 GB.
const PROFILE: &str = "[profile.dev]\ndebug = false\nincremental = false\n";

/// Features that some dependencies have in the workspace, so that they and what depends on them are not
/// compiled again: macros, SQLite, and the pool when an app uses the crate image. These lines alone compile
/// nothing, because every app has num-traits, and a project without a build script does not need the others.
const SHARED: &str = r#"
[dependencies.num-traits]
version = "0.2"

[build-dependencies]
cc = { version = "1", features = ["parallel"] }
syn = { version = "3", features = ["extra-traits", "fold", "full", "visit"] }
"#;

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

/// Lets a project use what is compiled for the workspace: the same versions, with the same features.
pub(crate) fn share(project: &Path) {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    fs::copy(workspace.join("Cargo.lock"), project.join("Cargo.lock")).expect("the lock file");
    let manifest = project.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).expect("the manifest");
    fs::write(manifest, text + SHARED).expect("a file");
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
