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

/// Whether a project gets a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repository {
    Init,
    /// It is inside a repository already, or the user does not want one.
    Leave,
}

impl Repository {
    /// Decides before the first write; `folder` is the nearest existing folder.
    pub(crate) fn decide(section: &Section, wanted: Option<Vcs>, folder: &Path) -> Result<Self, Error> {
        if wanted == Some(Vcs::None) {
            return Ok(Self::Leave);
        }
        let mut command = interrupt::quiet("git");
        command.args(["rev-parse", "--is-inside-work-tree"]).current_dir(folder);
        match section.output(&mut command) {
            Ok(output) if output.status.success() && output.stdout.trim() == "true" => Ok(Self::Leave),
            Ok(_) => Ok(Self::Init),
            Err(error) if error.code() == 130 => Err(error),
            Err(_) if wanted.is_none() => Ok(Self::Leave),
            Err(error) => Err(error.help("install git, or add `--vcs none`")),
        }
    }

    /// Creates the repository in the complete project, and returns whether there is a new one.
    pub(crate) fn make(self, section: &Section, project: &Path) -> Result<bool, Error> {
        if self == Self::Leave {
            return Ok(false);
        }
        let output = section.output(interrupt::quiet("git").args(["init", "--quiet"]).current_dir(project))?;
        match output.status.success() {
            true => Ok(true),
            false => Err(Error::new(format_args!("`git init` failed: {}", output.stderr.trim()))),
        }
    }
}
