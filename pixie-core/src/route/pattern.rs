//! `Pattern`: the parsed path of a route, such as `/users/<id:int>/files/<rest:path>`.
//!
//! The grammar is in the crate pixie-grammar. The order in which routes are tried is in `router.rs`, and
//! building a URL is in `router/url.rs`.

use std::{fmt, sync::Arc};

use pixie_grammar::{Filter, PathPart, PatternError, normalize, parse_path};

/// A parsed route path such as `/users/<id:int>/files/<rest:path>`.
///
/// A wildcard is `<name>` (text within one segment) or `<name:filter>` with one of the filters `int`,
/// `float`, `uuid` and `path` (the rest of the path, slashes included). It may be a part of a segment:
/// `/v<major:int>`, `/<name>.png`. Everything else is literal text, in which percent-encoding has the same
/// meaning as in a URL.
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
    pub(crate) parts: Vec<PathPart>,
    pub(crate) names: Arc<[Box<str>]>,
}

impl Pattern {
    /// Parses a path as written in a route attribute.
    ///
    /// # Errors
    ///
    /// Returns the position of the mistake and how to fix it.
    pub fn parse(text: &str) -> Result<Pattern, PatternError> {
        let parts = parse_path(text)?;
        let names = parts.iter().filter_map(|part| match part {
            PathPart::Wildcard { name, .. } => Some(name.as_str().into()),
            PathPart::Literal(_) => None,
        });
        Ok(Pattern { text: text.into(), names: names.collect(), parts })
    }

    /// Returns the path as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns whether every request for this path lies under another, which is literal text such as
    /// `/admin`.
    pub fn is_under(&self, prefix: &Pattern) -> bool {
        match self.parts.as_slice() {
            [PathPart::Literal(text)] => prefix.is_above(text),
            // A wildcard follows, so only a whole segment is certain: `/admin/<id>`, but not `/admin<id>`.
            [PathPart::Literal(text), ..] => text.rfind('/').is_some_and(|end| prefix.is_above(&text[..=end])),
            _ => false,
        }
    }

    /// Returns whether the path of a request's URI lies under this one, which is literal text such as
    /// `/admin`.
    pub fn covers(&self, path: &str) -> bool {
        normalize(path).is_ok_and(|normal| self.is_above(normal.as_deref().unwrap_or(path)))
    }

    fn is_above(&self, text: &str) -> bool {
        let [PathPart::Literal(prefix)] = self.parts.as_slice() else { return false };
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
            PathPart::Wildcard { filter, .. } => Some(*filter),
            PathPart::Literal(_) => None,
        })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
