//! Runs the real `pixie` in a new folder for each test, and returns what it wrote as one text.

#[path = "environment.rs"]
pub(crate) mod environment;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

/// An empty folder outside of any workspace.
pub(crate) struct World {
    _folder: TempDir,
    pub(crate) root: PathBuf,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        Self { _folder: folder, root }
    }

    /// Returns `pixie` in this folder, without what the developer's environment would change.
    pub(crate) fn pixie(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pixie"));
        environment::clean(&mut command).args(arguments).current_dir(&self.root);
        // A folder for temporary files may lie in a repository.
        command.env("GIT_CEILING_DIRECTORIES", self.root.parent().unwrap());
        command.env("TMPDIR", self.temporary());
        // The crates of this folder, also where the checkout has a remote.
        command.env("PIXIE_NEW_CRATES", checkout());
        command.stdin(std::process::Stdio::null());
        command
    }

    /// A folder for temporary files: beside the world, so that what is left in it can be seen.
    pub(crate) fn temporary(&self) -> PathBuf {
        let folder = self.root.join(".tmp");
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// Runs `pixie` and returns what it wrote.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        self.shown(&self.pixie(arguments).output().unwrap())
    }

    /// Writes down an outcome, with names in place of this machine's folders.
    pub(crate) fn shown(&self, output: &Output) -> String {
        let text = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes).replace(&self.root.display().to_string(), "[DIR]");
            text.replace(&checkout().display().to_string(), "[PIXIE]")
        };
        let code = output.status.code().map_or("none".into(), |code| code.to_string());
        format!("code {code}\n--- stdout\n{}--- stderr\n{}", text(&output.stdout), text(&output.stderr))
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// The folder of the workspace.
pub(crate) fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
