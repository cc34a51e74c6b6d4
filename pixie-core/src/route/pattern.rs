//! The path of a route, such as `/users/<id:int>/files/<rest:path>`: its grammar and its mistakes.
//!
//! Which routes are tried first is the router's business (`router.rs`); building a URL is in `router/url.rs`.
//! Must stay true: literal text is kept in the router's normal form (see `pattern/normal.rs`), two wildcards never touch,
//! and a `path` wildcard is the whole last segment, so that every accepted pattern can be searched in linear time.

pub(crate) mod filter;
pub(crate) mod normal;

use std::{error::Error, fmt, sync::Arc};

use crate::route::pattern::{filter::Filter, normal::normalise};

/// A parsed route path such as `/users/<id:int>/files/<rest:path>`.
///
/// A wildcard is `<name>` (text within one segment) or `<name:filter>` with one of the filters `int`, `float`, `uuid` and
/// `path` (the rest of the path, slashes included). It may be a part of a segment: `/v<major:int>`, `/<name>.png`.
/// Everything else is literal text, where percent-encoding means what it means in a URL.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pattern = pixie_core::Pattern::parse("/users/<id:int>/files/<rest:path>")?;
/// let url = pattern.url(&[("id", "7"), ("rest", "a b/c.txt")])?;
/// assert_eq!(url, "/users/7/files/a%20b/c.txt");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Pattern {
    text: Box<str>,
    pub(crate) parts: Vec<Part>,
    pub(crate) names: Arc<[Box<str>]>,
}

/// Literal text in normal form, or a wildcard; the n-th wildcard bears the n-th name.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Literal(String),
    Wildcard(Filter),
}

impl Pattern {
    /// Parses a path as it stands in a route attribute.
    pub fn parse(text: &str) -> Result<Pattern, PatternError> {
        let mut parser = Parser { text, at: 0, parts: Vec::new(), names: Vec::new() };
        parser.run()?;
        Ok(Pattern { text: text.into(), parts: parser.parts, names: parser.names.into() })
    }

    /// Returns the path as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Says whether every request for this path lies under another, which is literal text such as `/admin`.
    pub fn is_under(&self, prefix: &Pattern) -> bool {
        match self.parts.as_slice() {
            [Part::Literal(text)] => prefix.is_above(text),
            // What follows is a wildcard, so only a whole segment is certain: `/admin/<id>`, but not `/admin<id>`.
            [Part::Literal(text), ..] => text.rfind('/').is_some_and(|end| prefix.is_above(&text[..=end])),
            _ => false,
        }
    }

    /// Says whether the path of a request's URI lies under this one, which is literal text such as `/admin`.
    pub fn covers(&self, path: &str) -> bool {
        normalise(path).is_ok_and(|normal| self.is_above(normal.as_deref().unwrap_or(path)))
    }

    fn is_above(&self, text: &str) -> bool {
        let [Part::Literal(prefix)] = self.parts.as_slice() else { return false };
        let rest = text.strip_prefix(prefix.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Returns the names of the wildcards, in the order of the path.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.names.iter().map(|name| &**name)
    }

    /// Returns the filters of the wildcards, in the order of the path.
    pub(crate) fn filters(&self) -> impl Iterator<Item = Filter> + Clone {
        self.parts.iter().filter_map(|part| match part {
            Part::Wildcard(filter) => Some(*filter),
            Part::Literal(_) => None,
        })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A path that is not a pattern: says where, why, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    pattern: Box<str>,
    position: usize,
    message: String,
}

impl PatternError {
    /// Returns the place of the mistake, as a byte offset into the pattern.
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
    parts: Vec<Part>,
    names: Vec<Box<str>>,
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

    /// A client resolves `.` and `..` before it asks, so such a route would never be reached.
    fn no_segment_of_dots(&self) -> Result<(), PatternError> {
        let parts = self.parts.iter().map(|part| match part {
            Part::Literal(text) => text,
            Part::Wildcard(_) => "<>",
        });
        let path: String = parts.collect();
        match path.split('/').find(|segment| matches!(*segment, "." | "..")) {
            Some(dots) => self
                .refuse(0, format!("clients resolve the segment `{dots}` before they ask: write the path without it")),
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
                b'>' => "`>` closes nothing: write `<name>`, or `%3E` for the character itself",
                b'?' => "a path holds no query: remove it, or write `%3F` for the character itself",
                b'#' => "a path holds no fragment: remove it, or write `%23` for the character itself",
                _ => "a path holds no NUL character: remove it",
            };
            return self.refuse(self.at + offset, message.into());
        }
        let Ok(normal) = normalise(literal) else {
            let percent = self.at + literal.find('%').unwrap_or(0);
            return self.refuse(
                percent,
                "this percent-encoding is not valid UTF-8 text: write `%25` for a percent sign".into(),
            );
        };
        self.parts.push(Part::Literal(normal.unwrap_or_else(|| literal.to_owned())));
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
        self.name(start, name)?;
        let filter = self.filter(start, name, filter, inner.contains(':'))?;
        if matches!(self.parts.last(), Some(Part::Wildcard(_))) {
            return self
                .refuse(start, format!("`<{inner}>` touches the wildcard before it: put text or `/` between them"));
        }
        self.at += inner.len() + 2;
        if filter == Filter::Path && !self.stands_alone_at_the_end() {
            return self
                .refuse(start, format!("`<{inner}>` takes the rest of the path: make it the whole last segment"));
        }
        self.parts.push(Part::Wildcard(filter));
        Ok(())
    }

    fn name(&mut self, start: usize, name: &str) -> Result<(), PatternError> {
        if name.is_empty() {
            return self.refuse(start, "the wildcard has no name: write `<name>` or `<name:int>`".into());
        }
        if !is_identifier(name) {
            return self.refuse(
                start,
                format!("`{name}` cannot name an argument: use letters, digits and `_`, no digit first"),
            );
        }
        if self.names.iter().any(|known| **known == *name) {
            return self.refuse(start, format!("`{name}` is there twice: give each wildcard its own name"));
        }
        self.names.push(name.into());
        Ok(())
    }

    fn filter(&self, start: usize, name: &str, filter: &str, given: bool) -> Result<Filter, PatternError> {
        match (given, Filter::named(filter)) {
            (false, _) => Ok(Filter::Text),
            (true, Some(filter)) => Ok(filter),
            (true, None) => self.refuse(
                start,
                format!("there is no filter `{filter}`: use `int`, `float`, `uuid` or `path`, or just `<{name}>`"),
            ),
        }
    }

    fn stands_alone_at_the_end(&self) -> bool {
        let after_slash = matches!(self.parts.last(), Some(Part::Literal(text)) if text.ends_with('/'));
        after_slash && self.at == self.text.len()
    }

    fn refuse<R>(&self, position: usize, message: String) -> Result<R, PatternError> {
        Err(PatternError { pattern: self.text.into(), position, message })
    }
}

fn is_identifier(name: &str) -> bool {
    let starts = name.starts_with(|first: char| first.is_alphabetic() || first == '_');
    starts && name != "_" && name.chars().all(|next| next.is_alphanumeric() || next == '_')
}
