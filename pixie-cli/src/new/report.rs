//! What `pixie new` says at the end: the tree and the next commands for a person, one JSON object for a program.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{error::Error, output};

/// What was made, or would have been.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) template: String,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) replaced: Vec<PathBuf>,
    pub(crate) git: bool,
    pub(crate) workspace: Option<PathBuf>,
    /// Where pixie's crates come from, if not from the registry.
    pub(crate) checkout: Option<PathBuf>,
    pub(crate) dry_run: bool,
    /// What to type next.
    pub(crate) next: Vec<String>,
}

impl Report {
    /// Writes the report to stdout as JSON.
    pub(crate) fn print_json(&self) -> Result<(), Error> {
        let json = serde_json::to_string_pretty(self);
        let json = json.map_err(|error| Error::new(format_args!("could not write the report: {error}")))?;
        anstream::println!("{json}");
        Ok(())
    }

    /// Shows the report to a person.
    pub(crate) fn print(&self, shown: &Path) {
        let count = self.files.len();
        let files = if count == 1 { "1 file".into() } else { format!("{count} files") };
        let verb = if self.dry_run { "Would create" } else { "Created" };
        output::status(verb, format_args!("{} from the template {} ({files})", self.name, self.template));
        for replaced in &self.replaced {
            output::status(if self.dry_run { "Would replace" } else { "Replaced" }, replaced.display());
        }
        if self.git {
            output::status(if self.dry_run { "Would start" } else { "Started" }, "a git repository");
        }
        if let Some(workspace) = &self.workspace {
            output::status(
                if self.dry_run { "Would join" } else { "Joined" },
                format_args!("the workspace {}", workspace.display()),
            );
        }
        if let Some(checkout) = &self.checkout {
            output::status("Using", format_args!("pixie from {}, on this machine only", checkout.display()));
        }
        anstream::println!("{}", tree(shown, &self.files).trim_end());
        if !self.dry_run {
            anstream::println!("\nNext:");
            self.next.iter().for_each(|command| anstream::println!("  {command}"));
        }
    }
}

/// Draws the files as a tree; they come sorted.
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
