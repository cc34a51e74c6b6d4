//! The place of a project: it is made in a hidden folder beside its place and moved there when it is
//! complete.
//!
//! Invariant: after a failure, the files are as before. A failed move is undone.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use ignore::WalkBuilder;
use tempfile::TempDir;

use crate::error::Error;

pub(crate) struct Destination {
    /// The path as it was given, for messages.
    shown: PathBuf,
    /// The nearest existing folder above it, without symbolic links; the folder itself, if that exists.
    anchor: PathBuf,
    /// The full path, below the anchor.
    pub(crate) project: PathBuf,
}

/// What to do with existing files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// The folder must be new or empty.
    RefuseAny,
    /// Files of the same name are refused.
    RefuseSame,
    /// Files of the same name are replaced, others are kept.
    Replace,
}

impl Destination {
    pub(crate) fn resolve(shown: &Path) -> Result<Self, Error> {
        let absolute = std::path::absolute(shown).map_err(|error| Error::io("resolve the path", shown, &error))?;
        let mut anchor = absolute.as_path();
        while !anchor.exists() {
            let Some(parent) = anchor.parent() else { break };
            anchor = parent;
        }
        let rest = absolute.strip_prefix(anchor).unwrap_or(Path::new("")).to_owned();
        let anchor = fs::canonicalize(anchor).map_err(|error| Error::io("resolve the path", anchor, &error))?;
        let project = if rest.as_os_str().is_empty() { anchor.clone() } else { anchor.join(rest) };
        Ok(Self { shown: shown.to_owned(), anchor, project })
    }

    /// Returns the nearest existing folder outside of the project.
    pub(crate) fn outside(&self) -> &Path {
        match self.anchor == self.project {
            true => self.anchor.parent().unwrap_or(&self.anchor),
            false => &self.anchor,
        }
    }

    /// Refuses a file, and a folder that is not empty if `existing` does not allow it.
    pub(crate) fn check(&self, existing: Existing) -> Result<(), Error> {
        if !self.anchor.is_dir() {
            let error = Error::new(format_args!("`{}` is a file, not a folder", self.anchor.display()));
            return Err(error.help("choose another name"));
        }
        if existing != Existing::RefuseAny || self.anchor != self.project {
            return Ok(());
        }
        let listed = fs::read_dir(&self.project);
        let mut listed = listed.map_err(|error| Error::io("read the folder", &self.project, &error))?;
        if listed.next().is_none() {
            return Ok(());
        }
        let error = Error::new(format_args!("the folder `{}` exists and is not empty", self.shown.display()));
        Err(error.help("choose another name, or add `--force` to replace files of the same name"))
    }

    /// Creates the hidden folder beside the place, or in it if it exists, so that a move is only a rename.
    pub(crate) fn stage(&self) -> Result<TempDir, Error> {
        let created = tempfile::Builder::new().prefix(".pixie-new-").tempdir_in(&self.anchor);
        created.map_err(|error| {
            let error = Error::io("create a folder", &self.anchor, &error);
            error.help("check that the folder exists and that you may write there")
        })
    }

    /// Returns the files that exist at the destination already.
    pub(crate) fn conflicts(&self, files: &[PathBuf]) -> Vec<PathBuf> {
        files.iter().filter(|file| self.project.join(file).symlink_metadata().is_ok()).cloned().collect()
    }

    /// Moves the project to its place: as a whole, or file by file into an existing folder.
    pub(crate) fn settle(&self, staging: TempDir, files: &[PathBuf]) -> Result<(), Error> {
        let project = &self.project;
        if self.anchor == *project {
            return merge(staging.path(), project, files);
        }
        open_to_others(staging.path())?;
        let parent = project.parent().unwrap_or(&self.anchor);
        let made = make_parents(parent).map_err(|error| Error::io("create the folder", parent, &error))?;
        let folder = staging.keep();
        fs::rename(&folder, project).map_err(|error| {
            // Only the first failure is reported.
            let _ = fs::remove_dir_all(&folder);
            made.iter().rev().for_each(|parent| drop(fs::remove_dir(parent)));
            Error::io("move the project to its place", project, &error)
        })
    }
}

/// Moves files into an existing folder, all or none.
fn merge(staging: &Path, project: &Path, files: &[PathBuf]) -> Result<(), Error> {
    let replaced = tempfile::Builder::new().prefix(".pixie-old-").tempdir_in(project);
    let replaced = replaced.map_err(|error| Error::io("create a folder", project, &error))?;
    let mut done = Vec::new();
    for file in files {
        let (target, old) = (project.join(file), replaced.path().join(file));
        if let Err(error) = merge_file(&staging.join(file), &target, &old, &mut done) {
            undo(&done);
            return Err(Error::io("move a file to its place", &target, &error));
        }
    }
    Ok(())
}

fn merge_file(staged: &Path, target: &Path, old: &Path, done: &mut Vec<Step>) -> io::Result<()> {
    if let Some(parent) = target.parent() {
        done.extend(make_parents(parent)?.into_iter().map(Step::Created));
    }
    if target.symlink_metadata().is_ok() {
        old.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::rename(target, old)?;
        done.push(Step::Moved { from: target.to_owned(), to: old.to_owned() });
    }
    fs::rename(staged, target)?;
    done.push(Step::Moved { from: staged.to_owned(), to: target.to_owned() });
    Ok(())
}

enum Step {
    Created(PathBuf),
    Moved { from: PathBuf, to: PathBuf },
}

fn undo(steps: &[Step]) {
    for step in steps.iter().rev() {
        // If a step cannot be undone, the file stays where it is.
        let _ = match step {
            Step::Created(folder) => fs::remove_dir(folder),
            Step::Moved { from, to } => fs::rename(to, from),
        };
    }
}

/// Creates the missing folders of a path and returns them with the outermost first.
fn make_parents(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let missing: Vec<_> = folder.ancestors().take_while(|ancestor| !ancestor.exists()).map(Path::to_owned).collect();
    fs::create_dir_all(folder)?;
    Ok(missing.into_iter().rev().collect())
}

/// Gives a temporary folder, which only its owner may enter, the permissions of a normal folder.
fn open_to_others(folder: &Path) -> Result<(), Error> {
    let ordinary = folder.join(".mode");
    let permissions = fs::create_dir(&ordinary)
        .and_then(|()| fs::metadata(&ordinary))
        .and_then(|ordinary| fs::set_permissions(folder, ordinary.permissions()))
        .and_then(|()| fs::remove_dir(&ordinary));
    permissions.map_err(|error| Error::io("set the permissions of the folder", folder, &error))
}

/// Returns the files below a folder, sorted, relative to it.
pub(crate) fn list(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |error| Error::new(format_args!("could not read the folder: {error}")).at(folder.display());
    let mut files = Vec::new();
    for entry in WalkBuilder::new(folder).standard_filters(false).build() {
        let entry = entry.map_err(unreadable)?;
        if entry.file_type().is_some_and(|found| !found.is_dir()) {
            files.push(entry.path().strip_prefix(folder).unwrap_or(entry.path()).to_owned());
        }
    }
    files.sort();
    Ok(files)
}

/// Returns the project name for a path: its last part.
pub(crate) fn name_of(path: &Path) -> Result<String, Error> {
    let name = path.file_name().filter(|_| !path.ends_with(".") && !path.ends_with(".."));
    if let Some(name) = name {
        return Ok(name.to_string_lossy().into_owned());
    }
    let folder = env::current_dir().map(|here| here.join(path)).and_then(fs::canonicalize);
    let folder = folder.map_err(|error| Error::io("resolve the path", path, &error))?;
    Ok(folder.file_name().unwrap_or_default().to_string_lossy().into_owned())
}
