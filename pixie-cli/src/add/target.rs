//! The app that gets an addition: what it has, and the draft of all changes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use pixie_grammar::PathPart;

use super::{
    What,
    draft::Draft,
    format::Rustfmt,
    manifest,
    name::Name,
    piece::{self, Piece, Sessions, Setting},
    program::{Builder, Program},
    source,
};
use crate::{error::Error, project::Project};

/// The app that gets the addition.
pub(crate) struct Target<'p> {
    project: &'p Project,
    program: Program,
    /// The text of Cargo.toml.
    manifest: String,
}

impl<'p> Target<'p> {
    pub(crate) fn find(project: &'p Project) -> Result<Target<'p>, Error> {
        if !project.is_app {
            return Err(project.no_app());
        }
        let path = project.root.join("Cargo.toml");
        let manifest = fs::read_to_string(&path).map_err(|error| Error::io("read the manifest", &path, &error))?;
        let mut programs = Vec::new();
        for source in &project.sources {
            programs.push(Program::read(source)?);
        }
        // A program may take its app from the library of its package.
        let index = programs.iter().position(Program::has_app).unwrap_or(0);
        Ok(Target { project, program: programs.swap_remove(index), manifest })
    }

    pub(crate) fn piece(&self, what: &What, name: &Name, path: &str, parts: &[PathPart]) -> Result<Piece, Error> {
        self.program.check_module(&name.module, &manifest::dependencies(&self.manifest))?;
        let app = self.program.maker();
        let setting = Setting { name, path, parts, app: app.as_deref(), has_layout: self.has_layout() };
        let piece = match what {
            What::Route { method, kind, .. } => piece::route(&setting, &method.to_lowercase(), *kind),
            What::Template { .. } => piece::template(&setting),
            // The function that makes the pool has this name.
            What::Pool { .. } if name.module == "pool" => {
                let error = Error::usage("`pool` does not say what the pool is for");
                return Err(error.help("choose another name, such as `pixie add pool images`"));
            }
            What::Pool { .. } => {
                self.program.check_pool(&name.kebab())?;
                piece::pool(&setting)
            }
            What::Login { .. } => piece::login(&setting, self.sessions(), self.has_store()),
        };
        piece.routes.iter().try_for_each(|(method, path)| self.program.check_route(method, path))?;
        Ok(piece)
    }

    /// Drafts all files, and says what is left to do by hand.
    pub(crate) fn draft(&self, name: &Name, piece: &Piece) -> Result<(Draft, Vec<String>), Error> {
        let (mut draft, mut notes) = (Draft::new(self.project.root.clone()), Vec::new());
        let rustfmt = Rustfmt { folder: &self.project.root, edition: &self.project.edition };
        let root = self.relative(&self.program.root().path);
        let folder = root.parent().unwrap_or(Path::new(""));
        if let Some(taken) = self.file_of(&name.module) {
            return Err(Error::new("this file exists already").at(taken.display()).help("choose another name"));
        }
        draft.create(folder.join(format!("{}.rs", name.module)), rustfmt.format(piece.module.clone()))?;
        if let Some(template) = &piece.template {
            draft.create(format!("templates/{}.html", name.module), template.clone())?;
        }
        self.configure(&mut draft, piece, &mut notes)?;

        let mut insertions = vec![(self.program.root().path.clone(), self.program.module_line(&name.module))];
        match (self.program.builder(), &piece.builder) {
            (Some(builder), Some(call)) => {
                let module = if builder.is_in_root { name.module.clone() } else { format!("crate::{}", name.module) };
                insertions.push((builder.file.clone(), (builder.end, call.replace("module", &module))));
            }
            (None, Some(call)) => {
                let call = call.replace("module", &format!("crate::{}", name.module));
                notes.push(match self.program.is_run() {
                    true => format!("write `pixie_web::App::collect(){call}.run()` in place of `run()`"),
                    false => format!("add `{call}` to the app: no place with `App::collect()` was found for it"),
                });
            }
            (_, None) => {}
        }
        self.insert(&mut draft, &rustfmt, insertions)?;
        notes.extend(self.not_collecting());
        // An app without a function of its own has all its routes and no state.
        if self.program.maker().is_none() && !self.program.is_run() {
            let file = folder.join(format!("{}.rs", name.module));
            notes.push(format!(
                "the tests in {} make an app of their own: the program has no function like `fn app() -> App`",
                file.display()
            ));
        }
        Ok((draft, notes))
    }

    /// Drafts what a piece needs beside its code.
    fn configure(&self, draft: &mut Draft, piece: &Piece, notes: &mut Vec<String>) -> Result<(), Error> {
        manifest::depend(draft, &piece.needed)?;
        if !piece.optimized.is_empty() {
            match self.project.workspace == self.project.root {
                true => manifest::optimize(draft, &piece.optimized)?,
                false => notes.push(format!(
                    "hashing is slow without optimization: add `[profile.dev.package.{}] opt-level = 3` to {}",
                    piece.optimized.join("]` and `[profile.dev.package."),
                    self.project.workspace.join("Cargo.toml").display()
                )),
            }
        }
        if let Some(place) = piece.store {
            manifest::set(draft, "store", place)?;
            manifest::ignore(draft, "data")?;
            notes.push(format!(
                "the accounts are in the store, which pixie.toml puts into `{place}`; PIXIE_STORE puts it elsewhere"
            ));
        }
        Ok(())
    }

    /// Inserts texts into files, which keep their form.
    fn insert(
        &self,
        draft: &mut Draft,
        rustfmt: &Rustfmt<'_>,
        insertions: Vec<(PathBuf, (usize, String))>,
    ) -> Result<(), Error> {
        let mut files: Vec<PathBuf> = insertions.iter().map(|(file, _)| file.clone()).collect();
        files.dedup();
        for file in files {
            let path = self.relative(&file);
            let old = draft.text(&path)?.unwrap_or_default();
            let mut here: Vec<_> =
                insertions.iter().filter(|(other, _)| *other == file).map(|(_, insertion)| insertion).collect();
            // From the end, so that the offsets before stay right.
            here.sort_by_key(|(offset, _)| std::cmp::Reverse(*offset));
            let mut new = old.clone();
            let newline = if old.contains("\r\n") { "\r\n" } else { "\n" };
            here.into_iter().for_each(|(offset, text)| new.insert_str(*offset, &text.replace('\n', newline)));
            draft.set(path, rustfmt.format_like(&old, new))?;
        }
        Ok(())
    }

    /// Returns what to change if the app does not serve routes that have attributes.
    fn not_collecting(&self) -> Option<String> {
        if self.program.is_run() {
            return None;
        }
        let Some(Builder { file, line, is_collecting, .. }) = self.program.builder() else {
            return Some("the app must begin with `App::collect()`, which serves the routes with attributes".into());
        };
        (!is_collecting).then(|| {
            let place = source::place(file, *line);
            format!("write `App::collect()` at {place}: the app there serves no routes with attributes")
        })
    }

    /// Returns the file that a module of this name has already.
    fn file_of(&self, module: &str) -> Option<PathBuf> {
        let folder = self.program.root().path.parent()?;
        let file = folder.join(module).join("mod.rs");
        file.is_file().then(|| self.relative(&file))
    }

    fn relative(&self, file: &Path) -> PathBuf {
        file.strip_prefix(&self.project.root).unwrap_or(file).to_owned()
    }

    fn has_layout(&self) -> bool {
        let layout = fs::read_to_string(self.project.root.join("templates/layout.html")).unwrap_or_default();
        ["title", "content"].iter().all(|block| layout.contains(&format!("{{% block {block} %}}")))
    }

    fn sessions(&self) -> Sessions {
        let are_there = manifest::has_feature(&self.manifest, "pixie-web", "sessions");
        match (are_there, self.program.calls("sessions")) {
            (false, _) => Sessions::New,
            (true, false) => Sessions::InCookies,
            (true, true) => Sessions::Chosen,
        }
    }

    /// Returns whether the code, a file or a variable chooses where the store is.
    fn has_store(&self) -> bool {
        let has = |name: &str, text: &str| {
            fs::read_to_string(self.project.root.join(name))
                .unwrap_or_default()
                .lines()
                .any(|line| line.trim_start().strip_prefix(text).is_some_and(|rest| rest.trim_start().starts_with('=')))
        };
        self.program.calls("store")
            || has("pixie.toml", "store")
            || has(".env", "PIXIE_STORE")
            || has(".env.local", "PIXIE_STORE")
    }
}
