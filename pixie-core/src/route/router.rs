//! `Router`: finds the route for a request, by method and path.
//!
//! The index finds the best shape for a path. This file adds filters, methods, percent-encoding, HEAD and
//! OPTIONS. If the filters or methods of the best shape do not match, all matching shapes are tried in order.
//! Invariant: the cost of a request does not grow with the number of routes, except by its logarithm if the
//! best shape does not match. A search does not allocate, if the path has at most four wildcards and no
//! percent-encoding.

mod conflict;
mod index;
mod methods;
mod node;
mod shape;
mod url;
mod walk;

use std::{fmt, sync::OnceLock};

use http::Method;
use pixie_grammar::normalize;

use crate::{Params, Pattern, http::params::Spans};
use index::Index;
use node::{Node, Variant};
use shape::Shape;
use walk::walk;

pub use conflict::RouteConflict;
pub use methods::Allowed;
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
pub struct Router<T> {
    /// Sorted by shape. The number of a node is its position.
    nodes: Vec<Node<T>>,
    /// Built by the first search after a change, because a built index cannot be extended.
    index: OnceLock<Index>,
}

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
        /// The methods of the path.
        allow: Allowed<'r>,
    },
    /// An OPTIONS request for a path without its own OPTIONS route (204).
    Options {
        /// The methods of the path.
        allow: Allowed<'r>,
    },
    /// The path has malformed percent-encoding, a NUL, or bytes that are not UTF-8 (400).
    BadPath,
    /// The path has no route (404).
    NotFound,
}

impl<T> Router<T> {
    /// Returns a table without routes.
    pub fn new() -> Router<T> {
        Router { nodes: Vec::new(), index: OnceLock::new() }
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
        let entry = RouteEntry { pattern: pattern.clone(), methods: methods.to_vec(), value, place };
        let shape = Shape::of(pattern);
        let at = self.nodes.binary_search_by(|node| node.shape.cmp(&shape)).unwrap_or_else(|at| {
            self.nodes.insert(at, Node { shape, variants: Vec::new() });
            self.index.take();
            at
        });
        self.nodes[at].insert(entry)
    }

    /// Finds the route for a request. `path` is the path of the URI, still percent-encoded.
    pub fn find(&self, method: &Method, path: &str) -> Found<'_, T> {
        let Ok(normal) = normalize(path) else { return Found::BadPath };
        let text = normal.as_deref().unwrap_or(path);
        let index = self.index();
        let Some(hit) = index.search(text) else { return Found::NotFound };
        let node = &self.nodes[*hit.data()];
        let values = hit.parameters().iter().map(|(_, value)| *value);
        let best = node.fitting(values.clone()).find_map(|variant| variant.entry(method));
        let found = match best.filter(|_| index.is_certain(*hit.data())) {
            Some(entry) => Ok((entry, Spans::of(values, text))),
            None => self.find_one_by_one(method, text),
        };
        match found {
            Ok((entry, spans)) => {
                Found::Route { value: &entry.value, params: Params::new(&entry.pattern.names, spans, normal) }
            }
            Err(refused) => refused,
        }
    }

    /// Returns all routes, in the order in which they are tried.
    pub fn routes(&self) -> impl Iterator<Item = &RouteEntry<T>> {
        self.nodes.iter().flat_map(|node| &node.variants).flat_map(|variant| &variant.entries)
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::new(&self.nodes.iter().map(|node| &node.shape).collect::<Vec<_>>()))
    }

    /// Tries every shape that the path may have, if the index cannot decide.
    // `cold` saves 5 of 60 ns for the other requests.
    #[cold]
    fn find_one_by_one(&self, method: &Method, text: &str) -> Result<(&RouteEntry<T>, Spans), Found<'_, T>> {
        let mut refusing: Vec<&Variant<T>> = Vec::new();
        let found = walk(&self.nodes, text, &mut |node| {
            let spans = node.shape.captures(text)?;
            for variant in node.fitting(spans.values(text)) {
                if let Some(entry) = variant.entry(method) {
                    return Some((entry, spans.clone()));
                }
                refusing.push(variant);
            }
            None
        });
        if let Some(found) = found {
            return Ok(found);
        }
        let allow = match refusing.as_slice() {
            [] => return Err(Found::NotFound),
            [variant] => Allowed::known(&variant.allow),
            variants => {
                Allowed::by(variants.iter().flat_map(|variant| &variant.entries).flat_map(|entry| &entry.methods))
            }
        };
        if *method == Method::OPTIONS { Err(Found::Options { allow }) } else { Err(Found::MethodNotAllowed { allow }) }
    }
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
