//! The source of a template: this binary, a folder, or a git repository.
//!
//! Each source gives a folder with the template's files. The scaffolds in this binary are folders in
//! `templates`; the build script includes their files. Repositories are fetched with the user's git, so
//! that its credentials, proxies and address rewrites apply.

use std::{
    env, fmt, fs, io,
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use tempfile::TempDir;

use crate::{
    error::Error,
    interrupt::{self, Section},
};

/// All files below `templates`, with `/` between the parts of a path.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// A scaffold inside the binary; the first one is the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Builtin {
    /// One file with a route of each kind, and its test
    Minimal,
    /// Pages, forms, sessions, a database, a Dockerfile
    App,
    /// A JSON API: SQL with migrations, validation, OpenAPI, a Dockerfile
    Api,
    /// Uploads, sandboxed workers with limits, a page with the result
    Pool,
}

/// The source of a template.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Builtin(Builtin),
    Folder(PathBuf),
    Git(Repository),
}

/// A repository, optionally with a branch or tag, and a folder in it.
#[derive(Clone, Debug)]
pub(crate) struct Repository {
    pub(crate) url: String,
    pub(crate) branch: Option<String>,
    pub(crate) folder: Option<PathBuf>,
}

/// A template on disk; fetched files are deleted when this is dropped.
pub(crate) struct Template {
    pub(crate) folder: PathBuf,
    _fetched: Option<TempDir>,
}

impl Source {
    /// Returns the template on disk.
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

impl Builtin {
    /// Writes the scaffold's files into a folder.
    pub(crate) fn extract(self, folder: &Path) -> Result<(), Error> {
        let prefix = format!("{}/", self.name());
        for (path, bytes) in FILES {
            let Some(path) = path.strip_prefix(&prefix) else { continue };
            let target = folder.join(path);
            let parent = target.parent().unwrap_or(folder);
            fs::create_dir_all(parent).map_err(|error| Error::io("create a folder", parent, &error))?;
            fs::write(&target, bytes).map_err(|error| Error::io("write the template", &target, &error))?;
        }
        Ok(())
    }

    /// Returns a line for a list of choices: `minimal  One file …`.
    pub(crate) fn line(self) -> String {
        let value = self.to_possible_value();
        let help = value.as_ref().and_then(|value| value.get_help()).map(ToString::to_string);
        format!("{:8} {}", self.name(), help.unwrap_or_default())
    }

    fn name(self) -> &'static str {
        match self {
            Self::Minimal => "minimal",
            Self::App => "app",
            Self::Api => "api",
            Self::Pool => "pool",
        }
    }
}

impl Template {
    /// Returns whether the template contains scripts, which run with all rights of the user.
    pub(crate) fn has_hooks(&self) -> bool {
        let config = fs::read_to_string(self.folder.join("cargo-generate.toml")).unwrap_or_default();
        let config = config.parse::<toml_edit::DocumentMut>().unwrap_or_default();
        config.get("hooks").is_some()
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builtin(builtin) => formatter.write_str(builtin.name()),
            Self::Folder(folder) => write!(formatter, "{}", folder.display()),
            Self::Git(repository) => formatter.write_str(&repository.url),
        }
    }
}

fn temporary() -> Result<TempDir, Error> {
    TempDir::with_prefix("pixie-template-").map_err(|error| no_temporary(&error))
}

/// Returns the error of a temporary folder that cannot be created.
pub(super) fn no_temporary(error: &io::Error) -> Error {
    let error = Error::io("create a temporary folder", &env::temp_dir(), error);
    error.help("set TMPDIR to a folder where you may write")
}

fn check_folder(folder: &Path) -> Result<(), Error> {
    let listed = fs::read_dir(folder).map_err(|error| Error::io("read the template", folder, &error))?;
    if listed.count() == 0 {
        return Err(Error::new("the folder of the template is empty").at(folder.display()));
    }
    Ok(())
}

fn clone(section: &Section, repository: &Repository) -> Result<Template, Error> {
    let fetched = temporary()?;
    let target = fetched.path().join("template");
    let mut command = interrupt::quiet("git");
    command.args(["clone", "--quiet", "--depth", "1"]);
    command.args(repository.branch.iter().flat_map(|branch| ["--branch", branch]));
    // git must not ask for a password, because its output is a pipe. Its messages must be in English for
    // `reason`.
    command.arg("--").arg(&repository.url).arg(&target).env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C");
    let output = section.output(&mut command).map_err(|error| match error.code {
        130 => error,
        _ => error.help("install git, or use a template in a folder: --path DIR"),
    })?;
    if !output.status.success() {
        let error = Error::new(format_args!("could not fetch the template: {}", reason(&output.stderr)));
        return Err(error.at(&repository.url).help("check the address and your access with `git ls-remote`"));
    }
    let folder = repository.folder.as_ref().map_or(target.clone(), |folder| target.join(folder));
    check_folder(&folder)?;
    Ok(Template { folder, _fetched: Some(fetched) })
}

/// Returns the line of git's output with the reason: the first line with `fatal:`, or the line before if that
/// one only reports that the connection ended.
fn reason(said: &str) -> &str {
    let lines: Vec<_> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let fatal = lines.iter().position(|line| line.starts_with("fatal: ")).unwrap_or(lines.len().saturating_sub(1));
    let is_vague = lines.get(fatal).is_some_and(|line| line.ends_with("Could not read from remote repository."));
    let line = lines.get(fatal.saturating_sub(usize::from(is_vague))).copied().unwrap_or("git failed");
    line.trim_start_matches("fatal: ")
}

#[cfg(test)]
mod tests {
    use super::reason;

    #[test]
    fn the_reason_is_found_in_the_output_of_git() {
        let rest = "fatal: Could not read from remote repository.\n\n\
            Please make sure you have the correct access rights\nand the repository exists.\n";
        for (said, expected) in [
            (
                &*format!("fatal: '/nowhere' does not appear to be a git repository\n{rest}"),
                "'/nowhere' does not appear to be a git repository",
            ),
            (
                &*format!("git@example.com: Permission denied (publickey).\n{rest}"),
                "git@example.com: Permission denied (publickey).",
            ),
            (
                "warning: Could not find remote branch x to clone.\nfatal: Remote branch x not found in upstream origin\n",
                "Remote branch x not found in upstream origin",
            ),
            ("killed\n", "killed"),
            ("", "git failed"),
        ] {
            assert_eq!(reason(said), expected, "{said}");
        }
    }
}
