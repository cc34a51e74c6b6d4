//! The report of `pixie new`: the tree and the next commands for people, or one JSON object for programs.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::checkout::Checkout;
use crate::{error::Error, output};

/// The project that was created, or would be.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) template: String,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) replaced: Vec<PathBuf>,
    pub(crate) git: bool,
    pub(crate) workspace: Option<PathBuf>,
    /// The source of the pixie crates, if they do not come from the registry.
    pub(crate) checkout: Option<Checkout>,
    pub(crate) dry_run: bool,
    pub(crate) next: Vec<String>,
}

impl Report {
    pub(crate) fn print(&self, shown: &Path) -> Result<(), Error> {
        if output::is_quiet() {
            return Ok(());
        }
        let count = self.files.len();
        let files = if count == 1 { "1 file".into() } else { format!("{count} files") };
        let (created, replaced, joined) = match self.dry_run {
            true => ("Would create", "Would replace", "Would join"),
            false => ("Created", "Replaced", "Joined"),
        };
        output::status(created, format_args!("{} from the template {} ({files})", self.name, self.template));
        self.replaced.iter().for_each(|file| output::status(replaced, file.display()));
        if self.git {
            output::status(created, "a git repository");
        }
        if let Some(workspace) = &self.workspace {
            output::status(joined, format_args!("the workspace {}", workspace.display()));
        }
        match &self.checkout {
            Some(Checkout::Folder { path }) => {
                output::status("Using", format_args!("pixie from {}, on this machine only", path.display()));
            }
            Some(Checkout::Git { git, rev }) => output::status("Using", format_args!("pixie from {git}, commit {rev}")),
            None => {}
        }
        let mut text = format!("{}\n", tree(shown, &self.files).trim_end());
        if !self.dry_run {
            text += "\nNext:\n";
            self.next.iter().for_each(|command| text += &format!("  {command}\n"));
        }
        output::print(&text)
    }
}

/// Returns the sorted files as a tree.
fn tree(root: &Path, files: &[PathBuf]) -> String {
    let mut text = format!("{}\n", root.display());
    branch(files, Path::new(""), "", &mut text);
    text
}

fn branch(files: &[PathBuf], below: &Path, indent: &str, text: &mut String) {
    let mut names: Vec<_> = files
        .iter()
        .filter_map(|file| file.strip_prefix(below).ok())
        .filter_map(|rest| rest.components().next())
        .map(|name| name.as_os_str().to_owned())
        .collect();
    names.dedup();
    for (index, name) in names.iter().enumerate() {
        let (knee, pipe) = if index + 1 == names.len() { ("└── ", "    ") } else { ("├── ", "│   ") };
        *text += &format!("{indent}{knee}{}\n", name.to_string_lossy());
        branch(files, &below.join(name), &format!("{indent}{pipe}"), text);
    }
}
