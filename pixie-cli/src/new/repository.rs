//! `git init` for a new project, with the user's git, unless the project is inside a repository.

use std::path::Path;

use clap::ValueEnum;

use crate::{
    error::Error,
    interrupt::{self, Section},
};

/// The version control of a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Vcs {
    Git,
    None,
}

/// Returns whether a project gets a repository; `folder` is the nearest existing folder. Inside pixie's own
/// checkout it gets one, because it is not a part of pixie.
pub(crate) fn is_wanted(
    section: &Section,
    wanted: Option<Vcs>,
    folder: &Path,
    is_inside_pixie: bool,
) -> Result<bool, Error> {
    if wanted == Some(Vcs::None) {
        return Ok(false);
    }
    let mut command = interrupt::quiet("git");
    command.args(["rev-parse", "--is-inside-work-tree"]).current_dir(folder);
    match section.output(&mut command) {
        Ok(output) => Ok(is_inside_pixie || !output.status.success() || output.stdout.trim() != "true"),
        Err(error) if error.code == 130 => Err(error),
        Err(_) if wanted.is_none() => Ok(false),
        Err(error) => Err(error.help("install git, or add `--vcs none`")),
    }
}

/// Creates the repository in the complete project.
pub(crate) fn init(section: &Section, project: &Path) -> Result<(), Error> {
    let output = section.output(interrupt::quiet("git").args(["init", "--quiet"]).current_dir(project))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(Error::new(format_args!("`git init` failed: {}", output.stderr.trim()))),
    }
}
