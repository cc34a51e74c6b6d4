//! `git init` for a new project, by the user's own git: unless it would be a repository inside another one.

use std::path::Path;

use clap::ValueEnum;

use crate::{
    error::Error,
    interrupt::{self, Section},
};

/// What keeps track of a project's versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Vcs {
    Git,
    None,
}

/// Whether a project will get a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repository {
    Init,
    /// It lies inside one already, or nobody wants one.
    Leave,
}

impl Repository {
    /// Decides before anything is written; `folder` is the nearest one that exists.
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
            Err(error) => Err(error.help("install git, or leave it out with `--vcs none`")),
        }
    }

    /// Makes the repository in the finished project and says whether there is a new one.
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
