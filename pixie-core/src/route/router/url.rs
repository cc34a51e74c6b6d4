//! Builds the path of a URL from a pattern. Invariant: a URL that [`Pattern::url`] returns matches the
//! pattern with the same values, even if a client resolves `.` and `..`, and it never names another host.

use std::{error::Error, fmt};

use http::Method;
use percent_encoding::{AsciiSet, utf8_percent_encode};
use pixie_grammar::{Filter, PathPart};

use crate::{Found, Params, Pattern, Place, Router, http::encoded_except};

/// Characters that must be encoded in a path segment (RFC 3986, section 3.3), and `'` because of HTML
/// attributes.
const VALUE: &AsciiSet = &encoded_except(b"-._~!$&()*+,;=:@");

/// Characters that must be encoded in literal text. It is in normal form, so `%` begins an escape and `/`
/// separates segments.
const LITERAL: &AsciiSet = &encoded_except(b"-._~!$&()*+,;=:@%/");

impl Pattern {
    /// Returns the path with these values in place of the wildcards, percent-encoded.
    ///
    /// # Errors
    ///
    /// Returns which value is missing, unknown or does not fit.
    pub fn url(&self, params: &[(&str, &str)]) -> Result<String, UrlError> {
        if let Some((name, _)) = params.iter().find(|(name, _)| self.names().all(|known| known != *name)) {
            return Err(self.no_url(format_args!("it has no wildcard `{name}`")));
        }
        let mut url = String::new();
        for part in &self.parts {
            match part {
                PathPart::Literal(text) => url.extend(utf8_percent_encode(text, LITERAL)),
                PathPart::Wildcard { name, filter } => self.fill(&mut url, *filter, name, params)?,
            }
        }
        let Some((name, filter)) = self.misfit(&url, params) else { return Ok(url) };
        let (value, wanted) = (value_of(name, params).unwrap_or_default(), filter.wanted());
        Err(self.no_url(format_args!("`{name}` is {value:?}, which is not {wanted}")))
    }

    fn no_url(&self, why: fmt::Arguments<'_>) -> UrlError {
        UrlError(format!("no URL for `{self}`: {why}"))
    }

    fn fill(&self, url: &mut String, filter: Filter, name: &str, params: &[(&str, &str)]) -> Result<(), UrlError> {
        let Some(value) = value_of(name, params) else {
            return Err(self.no_url(format_args!("`{name}` has no value")));
        };
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

    /// Returns the first wildcard whose value is different when the URL is matched.
    fn misfit(&self, url: &str, params: &[(&str, &str)]) -> Option<(&str, Filter)> {
        let is_resolved = url.split('/').any(|segment| matches!(segment, "." | ".."));
        let is_dots = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte == b'.');
        let is_bad = |filter: Filter, value: &str| {
            let bad = value.is_empty() || value.contains('\0') || !filter.accepts(value);
            bad || is_resolved && value.split('/').any(is_dots)
        };
        let found = self.search(url);
        let returns =
            |name: &str, value: &str| found.as_ref().and_then(|found| found.get(name, url)) == Some(value.into());
        let mut named = self.names().zip(self.filters());
        let value = |name: &str| value_of(name, params).unwrap_or_default();
        let bad = named.clone().find(|(name, filter)| is_bad(*filter, value(name)));
        bad.or_else(|| named.find(|(name, _)| !returns(name, value(name))))
    }

    fn search(&self, url: &str) -> Option<Params> {
        let mut router = Router::new();
        router.insert(self, &[], (), Place { name: "", file: "", line: 0 }).ok()?;
        match router.find(&Method::GET, url) {
            Found::Route { params, .. } => Some(params),
            _ => None,
        }
    }
}

fn value_of<'p>(name: &str, params: &[(&str, &'p str)]) -> Option<&'p str> {
    params.iter().find(|(given, _)| *given == name).map(|(_, value)| *value)
}

/// Why a URL cannot be built: a value is missing, is unknown, or does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlError(String);

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for UrlError {}
