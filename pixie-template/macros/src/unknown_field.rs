//! Finds variables of a template that are not fields of its struct, and their places in the template.
//!
//! The compiler reports such a variable too, but it can only point at the struct. So this module searches the
//! generated code for `self.name` and the template files for the name, and makes a second error with file and
//! line. Invariant: valid code is accepted. A struct with `Deref` may have the field elsewhere, so `expand`
//! lets the compiler check for `Deref` first.

use std::{env, fs};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::{Data, DeriveInput, Fields};

/// Returns a message for each variable that the generated code reads but the struct does not have, with the
/// place first. For an enum, the list is empty.
pub(crate) fn unknown_fields(item: &DeriveInput, generated: &TokenStream, inline: Option<&str>) -> Vec<String> {
    let Data::Struct(data) = &item.data else { return Vec::new() };
    let fields: Vec<String> = match &data.fields {
        Fields::Named(named) => {
            named.named.iter().filter_map(|field| field.ident.as_ref().map(ToString::to_string)).collect()
        }
        Fields::Unnamed(_) | Fields::Unit => Vec::new(),
    };
    let mut read = Reads::default();
    read.visit(generated.clone());
    read.fields.retain(|name| !fields.contains(name));
    read.fields
        .iter()
        .filter_map(|name| {
            // A name that is not in a template comes from askama's own code.
            let place = place_in_files(&read.files, name).or_else(|| place_in_source(inline?, name))?;
            Some(format!("{place}: `{}` has no field `{name}`; {}", item.ident, listing(&fields)))
        })
        .collect()
}

fn listing(fields: &[String]) -> String {
    match fields {
        [] => "it has no fields".to_owned(),
        _ => format!("it has `{}`", fields.join("`, `")),
    }
}

/// The fields that the generated code reads from `self`, and the template files that it was made from.
#[derive(Default)]
struct Reads {
    fields: Vec<String>,
    files: Vec<String>,
}

impl Reads {
    fn visit(&mut self, tokens: TokenStream) {
        let trees: Vec<TokenTree> = tokens.into_iter().collect();
        for (at, tree) in trees.iter().enumerate() {
            match tree {
                TokenTree::Group(group) => self.visit(group.stream()),
                TokenTree::Ident(name) if name == "self" => self.field(&trees[at + 1..]),
                TokenTree::Ident(name) if name == "include_bytes" => self.file(&trees[at + 1..]),
                _ => {}
            }
        }
    }

    /// Adds `.name`, unless it is a method or a name that askama generates.
    fn field(&mut self, rest: &[TokenTree]) {
        let [TokenTree::Punct(dot), TokenTree::Ident(name), rest @ ..] = rest else { return };
        let is_method =
            matches!(rest.first(), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis);
        let name = name.to_string();
        if dot.as_char() == '.' && !is_method && !name.starts_with("__") && !self.fields.contains(&name) {
            self.fields.push(name);
        }
    }

    /// Adds the file of `!("path")`: askama includes each template, so that an edit triggers a rebuild.
    fn file(&mut self, rest: &[TokenTree]) {
        if let [_, TokenTree::Group(group), ..] = rest
            && let Ok(path) = syn::parse2::<syn::LitStr>(group.stream())
        {
            self.files.push(path.value());
        }
    }
}

/// Looks for a variable in the template files, whose paths are relative to the source file with the
/// attribute.
fn place_in_files(files: &[String], name: &str) -> Option<String> {
    let mut folder = proc_macro::Span::call_site().local_file().unwrap_or_default();
    folder.pop();
    files.iter().find_map(|file| {
        let path = folder.join(file).canonicalize().ok()?;
        let text = fs::read_to_string(&path).ok()?;
        let (line, column) = place_of(name, &text)?;
        // Both in canonical form, because that form has a prefix on Windows.
        let here = env::current_dir().and_then(|here| here.canonicalize()).unwrap_or_default();
        let shown = path.strip_prefix(here).unwrap_or(&path);
        Some(format!("{}:{line}:{column}", shown.display()))
    })
}

fn place_in_source(text: &str, name: &str) -> Option<String> {
    place_of(name, text).map(|(line, column)| format!("line {line}, column {column} of the inline template"))
}

/// Returns line and column, both from 1, of the first use of a variable in a template.
fn place_of(name: &str, text: &str) -> Option<(usize, usize)> {
    let mut from = 0;
    while let Some((start, end)) = next_tag(text, from) {
        if let Some(offset) = variable_in(&text[start..end], name) {
            let before = &text[..start + offset];
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            return Some((before.matches('\n').count() + 1, column));
        }
        from = end;
    }
    None
}

/// Returns where the next `{{ … }}` or `{% … %}` starts and ends; comments are skipped.
fn next_tag(text: &str, from: usize) -> Option<(usize, usize)> {
    let mut from = from;
    loop {
        let start = from
            + text[from..]
                .find("{{")
                .into_iter()
                .chain(text[from..].find("{%"))
                .chain(text[from..].find("{#"))
                .min()?;
        let close = match &text[start..start + 2] {
            "{{" => "}}",
            "{%" => "%}",
            _ => "#}",
        };
        let end = text[start..].find(close).map_or(text.len(), |length| start + length + 2);
        if close != "#}" {
            return Some((start, end));
        }
        from = end;
    }
}

/// Returns the position of a variable in a tag. Longer words, text, and methods or fields of other values do
/// not count.
fn variable_in(tag: &str, name: &str) -> Option<usize> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    tag.match_indices(name).map(|(at, _)| at).find(|&at| {
        let (before, after) = (&tag[..at], &tag[at + name.len()..]);
        let follows = before.trim_end().chars().next_back();
        let is_own = !matches!(follows, Some('.' | '|')) || before.ends_with("self.");
        let is_whole = !before.ends_with(is_word) && !after.starts_with(is_word);
        is_own && is_whole && before.matches('"').count().is_multiple_of(2)
    })
}

#[cfg(test)]
mod tests;
