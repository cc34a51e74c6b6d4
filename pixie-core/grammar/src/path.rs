//! The path of a route, such as `/users/<id:int>/files/<rest:path>`: its grammar and its mistakes.
//!
//! Invariant: literal text is kept in normal form (see `normal.rs`), two wildcards never touch, and a `path`
//! wildcard is the whole last segment. Therefore every accepted path can be searched for in linear time.

use std::{error::Error, fmt};

use crate::{filter::Filter, normal::normalize};

/// A part of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathPart {
    /// Text in normal form.
    Literal(String),
    /// A wildcard, `<name>` or `<name:filter>`.
    Wildcard {
        /// The name, which is also an argument's name.
        name: String,
        /// The filter, [`Filter::Text`] if the path names no filter.
        filter: Filter,
    },
}

/// Reads the path of a route.
///
/// # Errors
///
/// Returns the position of the mistake and how to fix it.
pub fn parse_path(text: &str) -> Result<Vec<PathPart>, PatternError> {
    let mut parser = Parser { text, at: 0, parts: Vec::new() };
    parser.run()?;
    Ok(parser.parts)
}

/// A mistake in the path of a route: its position, the reason, and how to fix it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    pattern: Box<str>,
    position: usize,
    message: String,
}

impl PatternError {
    /// Returns the position of the mistake, as a byte offset into the path.
    pub fn position(&self) -> usize {
        self.position
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = self.pattern.get(..self.position).unwrap_or_default();
        let character = before.chars().count() + 1;
        write!(f, "the path `{}` at character {character}: {}", self.pattern, self.message)
    }
}

impl Error for PatternError {}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    parts: Vec<PathPart>,
}

impl<'t> Parser<'t> {
    fn run(&mut self) -> Result<(), PatternError> {
        if !self.text.starts_with('/') {
            return self.refuse(0, format!("a path starts with `/`: write `/{}`", self.text));
        }
        while self.at < self.text.len() {
            if self.rest().starts_with('<') {
                self.wildcard()?;
            } else {
                self.literal()?;
            }
        }
        self.no_segment_of_dots()
    }

    /// Clients resolve `.` and `..` before they send a request, so such a route would never be reached.
    fn no_segment_of_dots(&self) -> Result<(), PatternError> {
        let parts = self.parts.iter().map(|part| match part {
            PathPart::Literal(text) => text,
            PathPart::Wildcard { .. } => "<>",
        });
        let path: String = parts.collect();
        match path.split('/').find(|segment| matches!(*segment, "." | "..")) {
            Some(dots) => self.refuse(
                0,
                format!("clients resolve the segment `{dots}` before they send a request: write the path without it"),
            ),
            None => Ok(()),
        }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn literal(&mut self) -> Result<(), PatternError> {
        let rest = self.rest();
        let literal = rest.find('<').map_or(rest, |end| &rest[..end]);
        if let Some(offset) = literal.find(['>', '?', '#', '\0']) {
            let message = match literal.as_bytes()[offset] {
                b'>' => "`>` has no `<` before it: write `<name>`, or `%3E` for the character itself",
                b'?' => "a path holds no query: remove it, or write `%3F` for the character itself",
                b'#' => "a path holds no fragment: remove it, or write `%23` for the character itself",
                _ => "a path holds no NUL character: remove it",
            };
            return self.refuse(self.at + offset, message.into());
        }
        if let Some((offset, message)) = foreign_wildcard(literal) {
            return self.refuse(self.at + offset, message);
        }
        let Ok(normal) = normalize(literal) else {
            let percent = self.at + literal.find('%').unwrap_or(0);
            return self.refuse(
                percent,
                "this percent-encoding is not valid UTF-8 text: write `%25` for a percent sign".into(),
            );
        };
        self.parts.push(PathPart::Literal(normal.unwrap_or_else(|| literal.to_owned())));
        self.at += literal.len();
        Ok(())
    }

    fn wildcard(&mut self) -> Result<(), PatternError> {
        let start = self.at;
        let inner = &self.rest()[1..];
        let end = inner.find(['<', '>', '/']).filter(|end| inner[*end..].starts_with('>'));
        let Some(inner) = end.map(|end| &inner[..end]) else {
            return self.refuse(
                start,
                "`<` is not closed within its segment: write `<name>`, or `%3C` for the character itself".into(),
            );
        };
        let (name, filter) = inner.split_once(':').unwrap_or((inner, ""));
        self.check_name(start, name)?;
        let filter = self.filter(start, name, filter, inner.contains(':'))?;
        if matches!(self.parts.last(), Some(PathPart::Wildcard { .. })) {
            return self
                .refuse(start, format!("`<{inner}>` touches the wildcard before it: put text or `/` between them"));
        }
        self.at += inner.len() + 2;
        if filter == Filter::Path && !self.stands_alone_at_the_end() {
            return self
                .refuse(start, format!("`<{inner}>` takes the rest of the path: make it the whole last segment"));
        }
        self.parts.push(PathPart::Wildcard { name: name.to_owned(), filter });
        Ok(())
    }

    fn check_name(&self, start: usize, name: &str) -> Result<(), PatternError> {
        if name.is_empty() {
            return self.refuse(start, "the wildcard has no name: write `<name>` or `<name:int>`".into());
        }
        if !is_identifier(name) {
            return self.refuse(
                start,
                format!("`{name}` cannot name an argument: use letters, digits and `_`, no digit first"),
            );
        }
        if self.parts.iter().any(|part| matches!(part, PathPart::Wildcard { name: known, .. } if known == name)) {
            return self.refuse(start, format!("`{name}` is used twice: give each wildcard its own name"));
        }
        Ok(())
    }

    fn filter(&self, start: usize, name: &str, filter: &str, given: bool) -> Result<Filter, PatternError> {
        match (given, Filter::named(filter)) {
            (false, _) => Ok(Filter::Text),
            (true, Some(filter)) => Ok(filter),
            (true, None) if Filter::named(name).is_some() && is_identifier(filter) => {
                self.refuse(start, format!("the name comes before the filter: write `<{filter}:{name}>`"))
            }
            (true, None) => self.refuse(
                start,
                format!("there is no filter `{filter}`: use `int`, `float`, `uuid` or `path`, or just `<{name}>`"),
            ),
        }
    }

    fn stands_alone_at_the_end(&self) -> bool {
        let after_slash = matches!(self.parts.last(), Some(PathPart::Literal(text)) if text.ends_with('/'));
        after_slash && self.at == self.text.len()
    }

    fn refuse<R>(&self, position: usize, message: String) -> Result<R, PatternError> {
        Err(PatternError { pattern: self.text.into(), position, message })
    }
}

/// Returns the place of a wildcard in the notation of another framework, and what to write in its place.
fn foreign_wildcard(literal: &str) -> Option<(usize, String)> {
    let mut start = 0;
    for segment in literal.split('/') {
        // The text before the first slash follows a wildcard, so it begins no segment.
        if let Some((offset, written, character)) = foreign_in(segment, start > 0) {
            let wildcard = translated(written);
            let message = format!(
                "`{written}` would be literal text: write `{wildcard}` for a wildcard, or `{character}` for the character itself"
            );
            return Some((start + offset, message));
        }
        start += segment.len() + 1;
    }
    None
}

/// Finds `{name}`, `:name` or `*` in a segment. Returns its offset, its text, and the code of its first character.
fn foreign_in(segment: &str, is_whole: bool) -> Option<(usize, &str, &'static str)> {
    let braces = segment.find('{').and_then(|open| Some(open..=open + segment[open..].find('}')?));
    match braces {
        Some(braces) => Some((*braces.start(), &segment[braces], "%7B")),
        None if is_whole && segment.starts_with('*') => Some((0, segment, "%2A")),
        None if is_whole && segment.strip_prefix(':').is_some_and(is_identifier) => Some((0, segment, "%3A")),
        None => None,
    }
}

/// Writes a wildcard of another framework in the notation of this one.
fn translated(written: &str) -> String {
    let inner = written.trim_matches(['{', '}', ':']);
    let (name, filter) = inner.split_once(':').unwrap_or((inner, ""));
    let is_rest = name.contains('*');
    let name = name.trim_matches('*');
    let name = if is_identifier(name) { name } else { "name" };
    match Filter::named(filter) {
        _ if is_rest => format!("<{name}:path>"),
        Some(_) => format!("<{name}:{filter}>"),
        None => format!("<{name}>"),
    }
}

fn is_identifier(name: &str) -> bool {
    let starts = name.starts_with(|first: char| first.is_alphabetic() || first == '_');
    starts && name != "_" && name.chars().all(|next| next.is_alphanumeric() || next == '_')
}
