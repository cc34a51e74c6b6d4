//! The files that are added or changed: shown as a difference, then written all or none.
//!
//! Every file is complete at each moment, also if the process is killed: a new text is written beside its
//! place and then moved there. Files are moved in the order in which they were drafted, so that what uses a
//! file comes after it, and a second run finishes what a killed one has left.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anstyle::{AnsiColor, Style};
use similar::TextDiff;
use tempfile::{NamedTempFile, TempPath};

use crate::error::Error;

const ADDED: Style = AnsiColor::Green.on_default();
const REMOVED: Style = AnsiColor::Red.on_default();
const PLACE: Style = AnsiColor::Cyan.on_default();
const FILE: Style = Style::new().bold();

/// The changes of one run.
#[derive(Debug)]
pub(crate) struct Draft {
    /// The folder of the package.
    root: PathBuf,
    changes: Vec<Change>,
}

#[derive(Debug)]
struct Change {
    /// Relative to the package.
    path: PathBuf,
    /// `None` for a new file.
    old: Option<String>,
    new: String,
}

impl Draft {
    pub(crate) fn new(root: PathBuf) -> Draft {
        Draft { root, changes: Vec::new() }
    }

    /// Returns the text of a file as it will be, or `None` if there is no such file.
    pub(crate) fn text(&self, path: &Path) -> Result<Option<String>, Error> {
        match self.changes.iter().find(|change| change.path == path) {
            Some(change) => Ok(Some(change.new.clone())),
            None => read(&self.root.join(path)),
        }
    }

    /// Adds a new file. A file that has this text already is left alone.
    pub(crate) fn create(&mut self, path: impl Into<PathBuf>, new: String) -> Result<(), Error> {
        let path = path.into();
        match self.text(&path)? {
            None => self.changes.push(Change { path, old: None, new }),
            Some(old) if old == new => {}
            Some(_) => {
                let error = Error::new("this file exists already").at(path.display());
                return Err(error.help("choose another name"));
            }
        }
        Ok(())
    }

    /// Sets the new text of a file, which may exist.
    pub(crate) fn set(&mut self, path: impl Into<PathBuf>, new: String) -> Result<(), Error> {
        let path = path.into();
        if let Some(change) = self.changes.iter_mut().find(|change| change.path == path) {
            change.new = new;
            return Ok(());
        }
        let old = read(&self.root.join(&path))?;
        if old.as_ref() != Some(&new) {
            self.changes.push(Change { path, old, new });
        }
        Ok(())
    }

    /// Returns the paths, each with whether the file is new.
    pub(crate) fn files(&self) -> impl ExactSizeIterator<Item = (&Path, bool)> {
        self.changes.iter().map(|change| (change.path.as_path(), change.old.is_none()))
    }

    /// Returns the difference, as `git diff` shows it. `patch -p1` understands it.
    pub(crate) fn difference(&self) -> String {
        self.changes.iter().map(Change::difference).collect()
    }

    /// Writes all files, or none.
    pub(crate) fn write(&self) -> Result<(), Error> {
        let mut folders = Vec::new();
        let written = self.stage(&mut folders).and_then(|staged| self.commit(staged));
        if written.is_err() {
            folders.iter().rev().for_each(|folder| drop(fs::remove_dir(folder)));
        }
        written
    }

    /// Writes each text beside its place. The texts are removed if they are not moved later.
    fn stage(&self, folders: &mut Vec<PathBuf>) -> Result<Vec<(PathBuf, TempPath)>, Error> {
        let mut staged = Vec::new();
        for change in &self.changes {
            let path = self.root.join(&change.path);
            if read(&path)? != change.old {
                let error = Error::new("this file has changed meanwhile").at(change.path.display());
                return Err(error.help("run the command again"));
            }
            // The file itself, where the path is a link.
            let target = fs::canonicalize(&path).unwrap_or(path);
            let staging = beside(&target, &change.new, folders);
            staged.push((target, staging.map_err(|error| Error::io("write the file", &change.path, &error))?));
        }
        Ok(staged)
    }

    /// Moves the texts to their places. After a failure, the files are as before.
    fn commit(&self, staged: Vec<(PathBuf, TempPath)>) -> Result<(), Error> {
        for (index, (target, text)) in staged.into_iter().enumerate() {
            let moved = match self.changes[index].old {
                Some(_) => text.persist(target),
                None => text.persist_noclobber(target),
            };
            if let Err(error) = moved {
                self.undo(index);
                return Err(Error::io("move the file to its place", &self.changes[index].path, &error.error));
            }
        }
        Ok(())
    }

    /// Takes back the first changes. If one cannot be taken back, the file stays as it is.
    fn undo(&self, count: usize) {
        for change in self.changes[..count].iter().rev() {
            let path = self.root.join(&change.path);
            let _ = match &change.old {
                None => fs::remove_file(path),
                Some(old) => {
                    let target = fs::canonicalize(&path).unwrap_or(path);
                    beside(&target, old, &mut Vec::new())
                        .and_then(|text| text.persist(target).map_err(|error| error.error))
                }
            };
        }
    }
}

impl Change {
    fn difference(&self) -> String {
        let (old, path) = (self.old.as_deref().unwrap_or_default(), self.path.display().to_string().replace('\\', "/"));
        let before = if self.old.is_some() { format!("a/{path}") } else { "/dev/null".to_owned() };
        let diff = TextDiff::from_lines(old, &self.new);
        let text = diff.unified_diff().header(&before, &format!("b/{path}")).to_string();
        let mut lines = String::new();
        for (number, line) in text.split_inclusive('\n').enumerate() {
            let style = match line.as_bytes()[0] {
                _ if number < 2 => FILE,
                b'@' => PLACE,
                b'+' => ADDED,
                b'-' => REMOVED,
                _ => Style::new(),
            };
            let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
            lines += &format!("{style}{line}{style:#}{end}");
        }
        lines
    }
}

/// Writes a text beside a file, with the permissions of that file or of a new one.
fn beside(target: &Path, text: &str, folders: &mut Vec<PathBuf>) -> io::Result<TempPath> {
    let folder = target.parent().unwrap_or(target);
    let missing: Vec<_> = folder.ancestors().take_while(|folder| !folder.exists()).map(Path::to_owned).collect();
    fs::create_dir_all(folder)?;
    folders.extend(missing.into_iter().rev());
    let staged = new_file(folder)?;
    fs::write(staged.path(), text)?;
    if let Ok(found) = fs::metadata(target) {
        fs::set_permissions(staged.path(), found.permissions())?;
    }
    staged.as_file().sync_all()?;
    Ok(staged.into_temp_path())
}

fn new_file(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".pixie-add-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

fn read(path: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read the file", path, &error)),
    }
}

#[cfg(test)]
mod tests;
