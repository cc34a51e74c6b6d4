//! Formats Rust as the project's rustfmt does, so that `cargo fmt --check` passes if it did before.

use std::{
    env,
    io::Write,
    path::Path,
    process::{Command, Stdio},
    thread,
};

/// The rustfmt of a project: its folder and its edition.
pub(crate) struct Rustfmt<'p> {
    pub(crate) folder: &'p Path,
    pub(crate) edition: &'p str,
}

impl Rustfmt<'_> {
    /// Returns a new text in the form of rustfmt, or as it is if rustfmt is missing or cannot read it.
    pub(crate) fn format(&self, text: String) -> String {
        self.run(&text).unwrap_or(text)
    }

    /// Formats the new text of a file, unless the author formats the file in another way.
    pub(crate) fn format_like(&self, old: &str, new: String) -> String {
        match self.run(old).is_some_and(|formatted| formatted == old) {
            true => self.format(new),
            false => new,
        }
    }

    /// rustfmt reads standard input with the configuration of its folder, and leaves other modules alone.
    fn run(&self, text: &str) -> Option<String> {
        let mut command = Command::new(env::var_os("RUSTFMT").unwrap_or_else(|| "rustfmt".into()));
        command.args(["--edition", self.edition, "--emit", "stdout", "--quiet"]).current_dir(self.folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().ok()?;
        let (mut stdin, text) = (child.stdin.take()?, text.to_owned());
        // The pipes hold less than a large file.
        let writer = thread::spawn(move || stdin.write_all(text.as_bytes()));
        let output = child.wait_with_output().ok()?;
        writer.join().ok()?.ok()?;
        output.status.success().then(|| String::from_utf8(output.stdout).ok())?
    }
}
