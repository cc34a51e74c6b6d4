//! Decides which files belong to the project, and which action a change of each file needs.
//!
//! Watched are `src`, `templates`, `static` and a few files beside them, of the package and of its path
//! dependencies. Ignored are files that git ignores, hidden files, databases, scratch files of editors, and
//! cargo's target folder.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::{env_files, project::Project};

/// Folders of a package that are watched with all their content.
const FOLDERS: [&str; 3] = ["src", "templates", "static"];
/// Files beside those folders that a build reads.
const BUILD_FILES: [&str; 6] =
    ["Cargo.toml", "Cargo.lock", "build.rs", "askama.toml", "rust-toolchain", "rust-toolchain.toml"];
/// Extensions of databases, logs, and scratch files of editors.
const NO_SOURCES: [&str; 7] = ["db", "log", "redb", "sqlite", "sqlite3", "swp", "tmp"];
/// What SQLite adds to a database's name for its logs.
const DATABASE_LOGS: [&str; 3] = ["-journal", "-shm", "-wal"];
const IMAGES: [&str; 8] = ["avif", "gif", "ico", "jpeg", "jpg", "png", "svg", "webp"];

/// The action that a change needs, the smallest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Action {
    /// The page fetches the file again.
    Swap,
    /// The browser reloads the page.
    Reload,
    Restart,
    Build,
}

/// A package's folder, with the `.gitignore` rules for it.
#[derive(Debug)]
struct Root {
    folder: PathBuf,
    ignored: Vec<Gitignore>,
}

/// The project's files.
#[derive(Debug)]
pub(crate) struct Sources {
    /// The package itself is the first.
    roots: Vec<Root>,
    workspace: PathBuf,
    target: PathBuf,
    /// Files and folders given by the user.
    extra: Vec<PathBuf>,
    /// Files that the last build read, in any folder.
    inputs: HashSet<PathBuf>,
}

impl Sources {
    /// Returns the sources of a project, with further files and folders.
    pub(crate) fn new(project: &Project, extra: &[PathBuf]) -> Sources {
        let extra: Vec<_> = extra.iter().filter_map(|path| std::fs::canonicalize(path).ok()).collect();
        Sources {
            roots: roots(project),
            workspace: project.workspace.clone(),
            target: project.target.clone(),
            extra,
            inputs: HashSet::new(),
        }
    }

    /// Returns sources that consist of one folder.
    #[cfg(test)]
    pub(crate) fn of(folder: &Path) -> Sources {
        let extra = vec![folder.to_path_buf()];
        Sources { roots: Vec::new(), workspace: folder.into(), target: "/target".into(), extra, inputs: HashSet::new() }
    }

    pub(crate) fn renew(&mut self, project: &Project) {
        self.roots = roots(project);
    }

    /// Stores which files the last build read; cargo writes the list beside the program.
    pub(crate) fn note_inputs(&mut self, program: &Path) {
        let Ok(text) = std::fs::read_to_string(program.with_extension("d")) else { return };
        let inputs = dep_info(&text).into_iter().filter(|path| self.root(path).is_some() && !self.is_ignored(path));
        self.inputs = inputs.collect();
    }

    /// Returns the folders to watch with all their content.
    pub(crate) fn deep(&self) -> Vec<PathBuf> {
        self.wanted().filter(|path| path.is_dir()).collect()
    }

    /// Returns whether this is a folder to watch, also if it does not exist now.
    pub(crate) fn is_folder(&self, path: &Path) -> bool {
        self.wanted().any(|folder| folder == path) || self.inputs.iter().any(|input| input.parent() == Some(path))
    }

    fn wanted(&self) -> impl Iterator<Item = PathBuf> {
        let of_root = |root: &Root| FOLDERS.map(|name| root.folder.join(name));
        self.roots.iter().flat_map(of_root).chain(self.extra.iter().cloned())
    }

    /// Returns the folders to watch without their subfolders. Files are watched through their folders,
    /// because editors replace files.
    pub(crate) fn flat(&self) -> Vec<PathBuf> {
        let files = self.extra.iter().filter(|path| path.is_file()).chain(&self.inputs);
        let parents = files.filter_map(|path| path.parent());
        let roots = self.roots.iter().map(|root| root.folder.as_path());
        let folders = roots.chain([self.workspace.as_path()]).chain(parents);
        folders.collect::<HashSet<_>>().into_iter().map(Path::to_path_buf).collect()
    }

    /// Returns the action that a change of this file needs; `None` if it is not a file of the project.
    pub(crate) fn action(&self, path: &Path) -> Option<Action> {
        if self.is_ignored(path) {
            return None;
        }
        if self.inputs.contains(path) || self.extra.iter().any(|extra| path.starts_with(extra)) {
            return Some(Action::Build);
        }
        let root = self.root(path).map_or(self.workspace.as_path(), |root| root.folder.as_path());
        let inside = path.strip_prefix(root).ok()?;
        let name = inside.file_name()?.to_str()?;
        let first = inside.iter().next()?.to_str()?;
        match (first, inside.iter().count()) {
            (_, 1) if BUILD_FILES.contains(&name) => Some(Action::Build),
            (_, 1) if name == "pixie.toml" => Some(Action::Restart),
            // The program gets only the variables of its own package.
            (_, 1) if env_files::NAMES.contains(&name) => self.is_package(root).then_some(Action::Restart),
            (_, 1) => None,
            ("src" | "templates", _) => Some(Action::Build),
            ("static", _) => Some(if is_swapped(path) { Action::Swap } else { Action::Reload }),
            _ => None,
        }
    }

    /// Returns whether this is the folder of the package itself, not of a dependency.
    fn is_package(&self, folder: &Path) -> bool {
        self.roots.first().is_some_and(|first| first.folder == folder)
    }

    /// Returns the package that a file belongs to: the innermost, because a package may contain others.
    fn root(&self, path: &Path) -> Option<&Root> {
        let above = self.roots.iter().filter(|root| path.starts_with(&root.folder));
        above.max_by_key(|root| root.folder.as_os_str().len())
    }

    fn is_ignored(&self, path: &Path) -> bool {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("");
        let ending = DATABASE_LOGS.iter().find_map(|log| ending.strip_suffix(log)).unwrap_or(ending);
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
        // vim writes `4913` to find out whether the folder is writable.
        let is_scratch = NO_SOURCES.contains(&ending) || name.ends_with('~') || name.starts_with('#') || name == "4913";
        // `.env` files are hidden and ignored by git, but a change of them needs a restart.
        let is_secret = env_files::NAMES.contains(&name);
        path.starts_with(&self.target)
            || is_scratch
            || (!is_secret && (self.is_hidden(path) || self.is_ignored_by_git(path)))
    }

    fn is_hidden(&self, path: &Path) -> bool {
        let root = self.root(path).map_or(self.workspace.as_path(), |root| root.folder.as_path());
        let inside = path.strip_prefix(root).unwrap_or(path);
        inside.iter().any(|part| part.as_encoded_bytes().starts_with(b"."))
    }

    fn is_ignored_by_git(&self, path: &Path) -> bool {
        let rules = self.root(path).into_iter().flat_map(|root| &root.ignored);
        let mut verdicts = rules.map(|rules| rules.matched_path_or_any_parents(path, false));
        verdicts.find(|verdict| !verdict.is_none()).is_some_and(|verdict| verdict.is_ignore())
    }
}

fn is_swapped(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("").to_ascii_lowercase();
    ending == "css" || IMAGES.contains(&ending.as_str())
}

fn roots(project: &Project) -> Vec<Root> {
    let root = |folder: &PathBuf| Root { folder: folder.clone(), ignored: git_rules(folder) };
    project.local.iter().map(root).collect()
}

/// Returns the `.gitignore` rules of a folder and the folders above it, up to the repository, the closest
/// first. Rules that ignore the whole folder are left out.
fn git_rules(folder: &Path) -> Vec<Gitignore> {
    let mut rules = Vec::new();
    for above in folder.ancestors() {
        let file = above.join(".gitignore");
        if file.is_file() {
            let mut builder = GitignoreBuilder::new(above);
            // It fails for lines that git does not understand either.
            let _ = builder.add(file);
            let Ok(found) = builder.build() else { continue };
            if above != folder && found.matched_path_or_any_parents(folder, true).is_ignore() {
                break;
            }
            rules.push(found);
        }
        if above.join(".git").exists() {
            break;
        }
    }
    rules
}

/// Returns the files in a line `program: file file`, in which spaces are escaped.
fn dep_info(text: &str) -> Vec<PathBuf> {
    let files = text.lines().next().and_then(|line| line.split_once(": ")).map_or("", |(_, files)| files);
    files.replace("\\ ", "\0").split_whitespace().map(|file| PathBuf::from(file.replace('\0', " "))).collect()
}

#[cfg(test)]
mod tests;
