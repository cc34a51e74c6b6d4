//! Which files belong to the project, and what an edit of each asks for. Paths in, verdicts out.
//!
//! Watched are `src`, `templates`, `static` and the few files beside them, of the package and of what it needs by path;
//! not what git ignores, dot files, databases, editors' scratch files, or where cargo builds.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::{env_files, project::Project};

/// Folders of a package that are watched with everything in them.
const FOLDERS: [&str; 3] = ["src", "templates", "static"];
/// Files beside them that a build reads.
const BUILD_FILES: [&str; 6] =
    ["Cargo.toml", "Cargo.lock", "build.rs", "askama.toml", "rust-toolchain", "rust-toolchain.toml"];
/// Endings of databases, their logs, and editors' scratch files.
const NO_SOURCES: [&str; 16] = [
    "db",
    "db-journal",
    "db-shm",
    "db-wal",
    "sqlite",
    "sqlite-journal",
    "sqlite-shm",
    "sqlite-wal",
    "sqlite3",
    "sqlite3-journal",
    "sqlite3-shm",
    "sqlite3-wal",
    "redb",
    "log",
    "swp",
    "tmp",
];
const IMAGES: [&str; 8] = ["avif", "gif", "ico", "jpeg", "jpg", "png", "svg", "webp"];

/// What an edit asks for, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Action {
    /// The page fetches the file anew.
    Swap,
    /// The page is loaded anew.
    Reload,
    /// The program is started anew.
    Restart,
    /// The program is built anew.
    Build,
}

/// A package's folder, with what git ignores in it.
#[derive(Debug)]
struct Root {
    folder: PathBuf,
    ignored: Vec<Gitignore>,
}

/// The project's files.
#[derive(Debug)]
pub(crate) struct Sources {
    /// The package itself comes first.
    roots: Vec<Root>,
    workspace: PathBuf,
    target: PathBuf,
    /// Files and folders that the user named.
    extra: Vec<PathBuf>,
    /// Files that the last build read, wherever they are.
    inputs: HashSet<PathBuf>,
}

impl Sources {
    /// Finds the rules of a project.
    pub(crate) fn new(project: &Project, extra: Vec<PathBuf>) -> Sources {
        let extra: Vec<_> = extra.iter().filter_map(|path| std::fs::canonicalize(path).ok()).collect();
        Sources {
            roots: roots(project),
            workspace: project.workspace.clone(),
            target: project.target.clone(),
            extra,
            inputs: HashSet::new(),
        }
    }

    /// A folder of which everything is watched, and nothing else.
    #[cfg(test)]
    pub(crate) fn of(folder: &Path) -> Sources {
        let extra = vec![folder.to_path_buf()];
        Sources { roots: Vec::new(), workspace: folder.into(), target: "/target".into(), extra, inputs: HashSet::new() }
    }

    /// Takes the packages that the project has now.
    pub(crate) fn renew(&mut self, project: &Project) {
        self.roots = roots(project);
    }

    /// Notes which files the last build read, as cargo wrote it beside the program.
    pub(crate) fn note_inputs(&mut self, program: &Path) {
        let Ok(text) = std::fs::read_to_string(program.with_extension("d")) else { return };
        let inputs = dep_info(&text).into_iter().filter(|path| self.root(path).is_some() && !self.is_ignored(path));
        self.inputs = inputs.collect();
    }

    /// Returns the folders to watch with everything in them.
    pub(crate) fn deep(&self) -> Vec<PathBuf> {
        self.wanted().filter(|path| path.is_dir()).collect()
    }

    /// Says whether this is a folder to watch, also when it is not there.
    pub(crate) fn is_folder(&self, path: &Path) -> bool {
        self.wanted().any(|folder| folder == path) || self.inputs.iter().any(|input| input.parent() == Some(path))
    }

    fn wanted(&self) -> impl Iterator<Item = PathBuf> {
        let of_root = |root: &Root| FOLDERS.map(|name| root.folder.join(name));
        self.roots.iter().flat_map(of_root).chain(self.extra.iter().cloned())
    }

    /// Returns the folders to watch without those in them: editors replace files, so files themselves are not watched.
    pub(crate) fn flat(&self) -> Vec<PathBuf> {
        let files = self.extra.iter().filter(|path| path.is_file()).chain(&self.inputs);
        let parents = files.filter_map(|path| path.parent());
        let roots = self.roots.iter().map(|root| root.folder.as_path());
        let folders = roots.chain([self.workspace.as_path()]).chain(parents);
        folders.collect::<HashSet<_>>().into_iter().map(Path::to_path_buf).collect()
    }

    /// Returns what an edit of this file asks for, if it is one of ours.
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
            // Those of other packages are not loaded.
            (_, 1) if env_files::NAMES.contains(&name) => self.is_package(root).then_some(Action::Restart),
            (_, 1) => None,
            ("src" | "templates", _) => Some(Action::Build),
            ("static", _) => Some(if is_swapped(path) { Action::Swap } else { Action::Reload }),
            _ => None,
        }
    }

    /// Says whether this is the folder of the package itself, not of one that it needs.
    fn is_package(&self, folder: &Path) -> bool {
        self.roots.first().is_some_and(|first| first.folder == folder)
    }

    /// The package that a file belongs to: packages lie in one another.
    fn root(&self, path: &Path) -> Option<&Root> {
        let above = self.roots.iter().filter(|root| path.starts_with(&root.folder));
        above.max_by_key(|root| root.folder.as_os_str().len())
    }

    fn is_ignored(&self, path: &Path) -> bool {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("");
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
        // `4913` is what vim writes to see whether it can.
        let is_scratch = NO_SOURCES.contains(&ending) || name.ends_with('~') || name.starts_with('#') || name == "4913";
        // A project's secrets are hidden, ignored by git, and matter nevertheless.
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

/// The `.gitignore` of a folder and of those above it, up to the repository's, the closest first. A repository that
/// ignores the folder as a whole has no say in what is inside.
fn git_rules(folder: &Path) -> Vec<Gitignore> {
    let mut rules = Vec::new();
    for above in folder.ancestors() {
        let file = above.join(".gitignore");
        if file.is_file() {
            let mut builder = GitignoreBuilder::new(above);
            // A line that git would not understand either is left out.
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

/// The files in a line `program: file file`, in which spaces are escaped.
fn dep_info(text: &str) -> Vec<PathBuf> {
    let files = text.lines().next().and_then(|line| line.split_once(": ")).map_or("", |(_, files)| files);
    files.replace("\\ ", "\0").split_whitespace().map(|file| PathBuf::from(file.replace('\0', " "))).collect()
}

#[cfg(test)]
#[path = "sources/tests.rs"]
mod tests;
