//! Where a template comes from: this binary, a folder, or a git repository fetched with the user's own git.
//!
//! Fetching gives a folder, and everything after it is alike. The user's git brings credentials, proxies and rewrites.

use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::builtin::Builtin;
use crate::{
    error::Error,
    interrupt::{self, Section},
};

/// What a project is made from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Builtin(Builtin),
    Folder(PathBuf),
    Git(Repository),
}

/// A repository, perhaps at a branch or tag, perhaps a folder in it.
#[derive(Clone, Debug)]
pub(crate) struct Repository {
    pub(crate) url: String,
    pub(crate) branch: Option<String>,
    pub(crate) folder: Option<PathBuf>,
}

/// A template on disk; what was fetched is deleted when this is dropped.
pub(crate) struct Template {
    folder: PathBuf,
    _fetched: Option<TempDir>,
}

impl Source {
    /// Brings the template to this machine's disk.
    pub(crate) fn fetch(&self, section: &Section) -> Result<Template, Error> {
        match self {
            Self::Builtin(builtin) => {
                let fetched = temporary()?;
                builtin.extract(fetched.path())?;
                Ok(Template { folder: fetched.path().to_owned(), _fetched: Some(fetched) })
            }
            Self::Folder(folder) => {
                check_folder(folder)?;
                Ok(Template { folder: folder.clone(), _fetched: None })
            }
            Self::Git(repository) => clone(section, repository),
        }
    }
}

impl Template {
    /// Returns the folder with the template's files.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Says whether the template brings scripts, which may do anything that its user may.
    pub(crate) fn has_hooks(&self) -> bool {
        let config = fs::read_to_string(self.folder.join("cargo-generate.toml")).unwrap_or_default();
        let config = config.parse::<toml_edit::DocumentMut>().unwrap_or_default();
        config.get("hooks").is_some()
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builtin(builtin) => write!(formatter, "{builtin}"),
            Self::Folder(folder) => write!(formatter, "{}", folder.display()),
            Self::Git(repository) => formatter.write_str(&repository.url),
        }
    }
}

fn temporary() -> Result<TempDir, Error> {
    TempDir::with_prefix("pixie-template-")
        .map_err(|error| Error::io("create a temporary folder", &env::temp_dir(), &error))
}

fn check_folder(folder: &Path) -> Result<(), Error> {
    let listed = fs::read_dir(folder).map_err(|error| Error::io("read the template", folder, &error))?;
    if listed.count() == 0 {
        return Err(Error::new("the template is an empty folder").at(folder.display()));
    }
    Ok(())
}

fn clone(section: &Section, repository: &Repository) -> Result<Template, Error> {
    let fetched = temporary()?;
    let target = fetched.path().join("template");
    let mut command = interrupt::quiet("git");
    command.args(["clone", "--quiet", "--depth", "1"]);
    command.args(repository.branch.iter().flat_map(|branch| ["--branch", branch]));
    // Nobody is asked for a password behind a pipe: git fails and says so.
    command.arg("--").arg(&repository.url).arg(&target).env("GIT_TERMINAL_PROMPT", "0");
    let output = section.output(&mut command).map_err(|error| match error.code() {
        130 => error,
        _ => error.help("install git, or give the template as a folder: --path DIR"),
    })?;
    if !output.status.success() {
        let reason = output.stderr.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("git failed").to_owned();
        let error = Error::new(format_args!("could not fetch the template: {}", reason.trim_start_matches("fatal: ")));
        return Err(error.at(&repository.url).help("check the address and your access with `git ls-remote`"));
    }
    let folder = repository.folder.as_ref().map_or(target.clone(), |folder| target.join(folder));
    check_folder(&folder)?;
    Ok(Template { folder, _fetched: Some(fetched) })
}
