//! `Router`: finds the route for a request, by method and path.
//!
//! `tree.rs` searches by segments and filters. This file adds percent-encoding, HEAD and OPTIONS. Invariant:
//! a search does not allocate, if a route is found, the path has at most four wildcards and the path has no
//! percent-encoding.

mod tree;
mod url;

use std::{fmt, panic::Location};

use http::{HeaderValue, Method};
use pixie_grammar::normalize;

use crate::{Params, Pattern, http::params::Spans};
use tree::{Search, Tree};

pub use url::UrlError;

/// A table of routes, each with a value.
///
/// Segments are compared from the left. Literal text comes before wildcards, a wildcard with text around it
/// before a plain wildcard, and a `path` wildcard comes last. Of routes with the same shape, the one with the
/// narrower filter is tried first. A route is skipped if a filter or the method does not match.
///
/// ```
/// use http::Method;
/// use pixie_core::{Found, Pattern, Place, Router};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut router = Router::new();
/// let place = Place { name: "show_user", file: file!(), line: line!() };
/// router.insert(&Pattern::parse("/users/<id:int>")?, &[Method::GET], "a user", place)?;
///
/// let Found::Route { value, params } = router.find(&Method::GET, "/users/7") else { panic!("no route") };
/// assert_eq!(*value, "a user");
/// assert_eq!(params.get("id", "/users/7").as_deref(), Some("7"));
/// assert!(matches!(router.find(&Method::GET, "/users/me"), Found::NotFound));
/// # Ok(())
/// # }
/// ```
pub struct Router<T>(Tree<T>);

/// A route in the table.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RouteEntry<T> {
    /// The path of the route.
    pub pattern: Pattern,
    /// The methods of the route.
    pub methods: Vec<Method>,
    /// The value of the route.
    pub value: T,
    /// Where the route is written.
    pub place: Place,
}

/// Where a route is written: its handler's name and the line of code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The handler's name.
    pub name: &'static str,
    /// The source file.
    pub file: &'static str,
    /// The line in the file.
    pub line: u32,
}

impl Place {
    /// Returns the line that calls this function.
    #[track_caller]
    pub fn here(name: &'static str) -> Place {
        let at = Location::caller();
        Place { name, file: at.file(), line: at.line() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({}:{})", self.name, self.file, self.line)
    }
}

/// The result of a search.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Found<'r, T> {
    /// A route for this path and method.
    Route {
        /// The route's value.
        value: &'r T,
        /// Where the values of the wildcards are.
        params: Params,
    },
    /// The path has routes, but not for this method (405).
    MethodNotAllowed {
        /// The methods of the path, as the value of an `Allow` header.
        allow: HeaderValue,
    },
    /// An OPTIONS request for a path without its own OPTIONS route, or for all paths, `*` (204; RFC 9110,
    /// section 9.3.7).
    Options {
        /// The methods of the path, as the value of an `Allow` header.
        allow: HeaderValue,
    },
    /// The path has malformed percent-encoding, a NUL, or bytes that are not UTF-8 (400).
    BadPath,
    /// The path has no route (404).
    NotFound,
}

/// The error for two routes that answer the same requests. It names both paths and both lines of code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteConflict(String);

impl RouteConflict {
    fn new<T>(method: &Method, first: &RouteEntry<T>, second: &RouteEntry<T>) -> RouteConflict {
        let named = |entry: &RouteEntry<T>| format!("{method} {} of {}", entry.pattern, entry.place);
        let (first, second) = (named(first), named(second));
        RouteConflict(format!(
            "two routes answer the same requests: {first} and {second}; give one of them another path or method"
        ))
    }
}

impl fmt::Display for RouteConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RouteConflict {}

impl<T> Router<T> {
    /// Returns a table without routes.
    pub fn new() -> Router<T> {
        Router(Tree::new())
    }

    /// Adds a route. Without methods, it is for GET.
    ///
    /// # Errors
    ///
    /// Returns both routes if an earlier one has the same shape, filters and method.
    pub fn insert(
        &mut self,
        pattern: &Pattern,
        methods: &[Method],
        value: T,
        place: Place,
    ) -> Result<(), RouteConflict> {
        let methods = if methods.is_empty() { &[Method::GET] } else { methods };
        self.0.insert(RouteEntry { pattern: pattern.clone(), methods: methods.to_vec(), value, place })
    }

    /// Finds the route for a request. `path` is the path of the URI, still percent-encoded.
    pub fn find(&self, method: &Method, path: &str) -> Found<'_, T> {
        let Ok(normal) = normalize(path) else { return Found::BadPath };
        let text = normal.as_deref().unwrap_or(path);
        let Some(rest) = text.strip_prefix('/') else {
            let mut all = self.routes().peekable();
            return match text == "*" && *method == Method::OPTIONS && all.peek().is_some() {
                true => Found::Options { allow: allow(all) },
                false => Found::NotFound,
            };
        };
        let mut search = Search { method, path: text, spans: Spans::new(), refusing: Vec::new() };
        if let Some(entry) = search.descend(&self.0, Some(rest)) {
            let spans = search.spans;
            return Found::Route { value: &entry.value, params: Params::new(&entry.pattern.names, spans, normal) };
        }
        let mut refusing = search.refusing.iter().flat_map(|variant| &variant.entries).peekable();
        match refusing.peek() {
            None => Found::NotFound,
            Some(_) if *method == Method::OPTIONS => Found::Options { allow: allow(refusing) },
            Some(_) => Found::MethodNotAllowed { allow: allow(refusing) },
        }
    }

    /// Returns all routes, in the order in which they are tried.
    pub fn routes(&self) -> impl Iterator<Item = &RouteEntry<T>> {
        let mut routes = Vec::new();
        self.0.visit(&mut |entry| routes.push(entry));
        routes.into_iter()
    }
}

/// Returns the `Allow` header of these routes: sorted, with HEAD if it has GET, and always with OPTIONS.
fn allow<'r, T: 'r>(routes: impl Iterator<Item = &'r RouteEntry<T>>) -> HeaderValue {
    let mut names: Vec<&str> = routes.flat_map(|entry| &entry.methods).map(Method::as_str).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    names.sort_unstable();
    names.dedup();
    HeaderValue::try_from(names.join(", ")).expect("a method is a token, which a header may hold")
}

impl<T> fmt::Debug for Router<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Router({} routes)", self.routes().count())
    }
}

impl<T> Default for Router<T> {
    fn default() -> Router<T> {
        Router::new()
    }
}
