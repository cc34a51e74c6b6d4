//! Building a URL's path from a pattern. Must stay true: a URL that [`Pattern::url`] returns leads back to the pattern
//! with the same values, also through a client that resolves `.` and `..`, and never names another host.

use std::{error::Error, fmt};

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    Place,
    pattern::{Part, Pattern},
    router::filter::Filter,
};

/// What a path segment may not hold as it is (RFC 3986, section 3.3), and `'` for the sake of HTML attributes.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// Literal text is in normal form, so its `%` begins an escape and its `/` divides segments.
const LITERAL: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}')
    .add(b'[')
    .add(b']')
    .add(b'\'');

impl Pattern {
    /// Returns the path with these values in place of the wildcards, percent-encoded.
    pub fn url(&self, params: &[(&str, &str)]) -> Result<String, UrlError> {
        if let Some((name, _)) = params.iter().find(|(name, _)| self.names().all(|known| known != *name)) {
            return Err(UrlError::Unknown { pattern: self.to_string(), name: (*name).to_owned() });
        }
        let mut names = self.names();
        let mut url = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => url.extend(utf8_percent_encode(text, LITERAL)),
                Part::Wildcard(filter) => self.fill(&mut url, *filter, names.next().unwrap_or_default(), params)?,
            }
        }
        Ok(url)
    }

    fn fill(&self, url: &mut String, filter: Filter, name: &str, params: &[(&str, &str)]) -> Result<(), UrlError> {
        let Some((_, value)) = params.iter().find(|(given, _)| *given == name) else {
            return Err(UrlError::Missing { pattern: self.to_string(), name: name.to_owned() });
        };
        let whole = url.ends_with('/');
        if !fits(filter, value, whole) {
            let (name, value, wanted) = (name.to_owned(), (*value).to_owned(), filter.wanted());
            return Err(UrlError::Unfit { pattern: self.to_string(), name, value, wanted });
        }
        if filter != Filter::Path {
            url.extend(utf8_percent_encode(value, VALUE));
            return Ok(());
        }
        for (at, segment) in value.split('/').enumerate() {
            // A value that begins with a slash must not turn `/<rest:path>` into `//host`.
            url.push_str(match at {
                0 => "",
                1 if url.ends_with('/') => "%2F",
                _ => "/",
            });
            url.extend(utf8_percent_encode(segment, VALUE));
        }
        Ok(())
    }
}

/// Tells whether a value leads back to the same route.
fn fits(filter: Filter, value: &str, whole: bool) -> bool {
    let is_resolved = |segment: &str| matches!(segment, "." | "..");
    let resolved = match filter {
        Filter::Path => value.split('/').any(is_resolved),
        _ => whole && is_resolved(value),
    };
    !value.is_empty() && !value.contains('\0') && !resolved && filter.accepts(value)
}

/// A URL that cannot be built.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlError {
    /// No route has a handler of this name.
    NoRoute {
        /// The name that was asked for.
        handler: String,
    },
    /// Two files have a handler of this name.
    Ambiguous {
        /// The one route.
        first: Place,
        /// The other route.
        second: Place,
    },
    /// The path has a wildcard that got no value.
    Missing {
        /// The route's path.
        pattern: String,
        /// The wildcard without a value.
        name: String,
    },
    /// The path has no wildcard of this name.
    Unknown {
        /// The route's path.
        pattern: String,
        /// The name that the path does not know.
        name: String,
    },
    /// The route would not match with this value.
    Unfit {
        /// The route's path.
        pattern: String,
        /// The wildcard's name.
        name: String,
        /// The value that does not fit.
        value: String,
        /// What would fit.
        wanted: &'static str,
    },
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UrlError::NoRoute { handler } => write!(f, "no URL for `{handler}`: no route has a handler of that name"),
            UrlError::Ambiguous { first, second } => {
                write!(f, "no URL for `{}`: both {first} and {second} bear that name; rename one", first.name)
            }
            UrlError::Missing { pattern, name } => write!(f, "no URL for `{pattern}`: `{name}` got no value"),
            UrlError::Unknown { pattern, name } => write!(f, "no URL for `{pattern}`: it has no wildcard `{name}`"),
            UrlError::Unfit { pattern, name, value, wanted } => {
                write!(f, "no URL for `{pattern}`: `{name}` is {value:?}, which is not {wanted}")
            }
        }
    }
}

impl Error for UrlError {}
