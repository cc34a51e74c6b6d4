//! The sources of a program: the file of its root and those of its modules, parsed.
//!
//! Invariant: the positions of the parsed items are offsets into the text of their file.

use std::{
    fs,
    path::{Path, PathBuf},
};

use syn::{Attribute, Expr, ExprLit, Item, ItemMod, Lit, Meta, spanned::Spanned};

use crate::error::Error;

pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    pub(crate) syntax: syn::File,
    /// The path of the module, empty for the root.
    pub(crate) module: Vec<String>,
    /// Whether only tests have the module.
    pub(crate) is_test: bool,
    /// The folder with the files of its modules.
    folder: PathBuf,
}

impl Source {
    /// Reads a program: the root first, then the files of its modules.
    pub(crate) fn all(root: &Path) -> Result<Vec<Source>, Error> {
        let folder = root.parent().unwrap_or(root).to_owned();
        let mut files = vec![Source::read(root.to_owned(), Vec::new(), false, folder)?];
        let mut next = 0;
        while let Some(file) = files.get(next) {
            let mut found = Vec::new();
            for (path, module, is_test, folder) in file.modules() {
                found.push(Source::read(path, module, is_test, folder)?);
            }
            files.extend(found);
            next += 1;
        }
        Ok(files)
    }

    fn read(path: PathBuf, module: Vec<String>, is_test: bool, folder: PathBuf) -> Result<Source, Error> {
        let text = fs::read_to_string(&path).map_err(|error| Error::io("read the program", &path, &error))?;
        // `syn::parse_file` would remove the first line of a script, and with it the positions.
        let unclosed =
            |error: proc_macro2::LexError| syn::Error::new(error.span(), "a bracket or a quote is not closed");
        let syntax = text.parse::<proc_macro2::TokenStream>().map_err(unclosed).and_then(syn::parse2);
        let syntax = syntax.map_err(|error| {
            let error_place = place(&path, error.span().start().line);
            Error::new(format_args!("this file is not valid Rust: {error}"))
                .at(error_place)
                .help("fix it first: `cargo check`")
        })?;
        Ok(Source { path, text, syntax, module, is_test, folder })
    }

    /// Returns the files of the modules that this file declares: path, module, whether for tests, folder.
    fn modules(&self) -> Vec<(PathBuf, Vec<String>, bool, PathBuf)> {
        let mut found = Vec::new();
        declared(&self.syntax.items, &self.module, self.is_test, &self.folder, &mut |item, module, is_test, folder| {
            let name = item.ident.to_string();
            let beside = self.path.parent().unwrap_or(folder);
            let candidates = match path_attribute(&item.attrs) {
                Some(path) => vec![beside.join(path)],
                None => vec![folder.join(format!("{name}.rs")), folder.join(&name).join("mod.rs")],
            };
            // A module of another platform may have no file here.
            let Some(path) = candidates.into_iter().find(|path| path.is_file()) else { return };
            let is_owner = path.ends_with("mod.rs") || path_attribute(&item.attrs).is_some();
            let folder = if is_owner { path.parent().unwrap_or(folder).to_owned() } else { folder.join(&name) };
            found.push((path, module, is_test, folder));
        });
        found
    }

    /// Returns the line of a position, from 1.
    pub(crate) fn line(&self, item: &impl Spanned) -> usize {
        item.span().start().line
    }
}

/// Returns a place for a message: `src/main.rs:7`, relative to the current folder if possible.
pub(crate) fn place(file: &Path, line: usize) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    format!("{}:{line}", file.strip_prefix(&here).unwrap_or(file).display())
}

/// Calls `each` for every declaration of a module with a file, also within modules in this file.
fn declared(
    items: &[Item],
    module: &[String],
    is_test: bool,
    folder: &Path,
    each: &mut impl FnMut(&ItemMod, Vec<String>, bool, &Path),
) {
    for item in items {
        let Item::Mod(item) = item else { continue };
        let name = item.ident.to_string();
        let (inner, is_test) = ([module, std::slice::from_ref(&name)].concat(), is_test || is_for_tests(&item.attrs));
        match &item.content {
            Some((_, items)) => declared(items, &inner, is_test, &folder.join(name), each),
            None => each(item, inner, is_test, folder),
        }
    }
}

/// Returns whether an item has `#[cfg(test)]` or `#[test]`.
pub(crate) fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        Meta::NameValue(_) => false,
    })
}

fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => text_of(&pair.value),
        _ => None,
    })
}

/// Returns the text of a literal.
pub(crate) fn text_of(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}
