//! Which route answers a request, by method and path.
//!
//! The index finds the best shape of path; filters, methods, percent-encoding and the answers to HEAD and OPTIONS are added
//! here. Where the best shape's filters or methods refuse, the shapes that fit are tried one by one, in order.
//! Must stay true: a request's cost does not grow with the number of routes (but for a logarithm where the best shape
//! refuses), and a look-up allocates nothing up to four wildcards in a path without percent-encoding.

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
/// Literal text beats wildcards, segment by segment from the left; text around a wildcard beats a bare wildcard, and that
/// beats a `path` wildcard. Among routes of one shape the narrower filter is tried first. A route is passed over if a filter
/// refuses or if it does not take the method.
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
    /// Sorted by shape; the number of a node is its place here.
    nodes: Vec<Node<T>>,
    /// Built on the first look-up after a change, since the crate cannot add to a built index.
    index: OnceLock<Index>,
}

/// A route in the table.
#[derive(Clone, Debug)]
pub struct RouteEntry<T> {
    /// The path that it answers.
    pub pattern: Pattern,
    /// The methods that it was given.
    pub methods: Vec<Method>,
    /// What the route leads to.
    pub value: T,
    /// Where it stands in the program.
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

/// What a look-up found.
#[derive(Clone, Debug)]
pub enum Found<'r, T> {
    /// A route takes the request.
    Route {
        /// The route's value.
        value: &'r T,
        /// Where the wildcards' values lie.
        params: Params,
    },
    /// The path is known, but not with this method (405).
    MethodNotAllowed {
        /// The methods that the path answers.
        allow: Allowed<'r>,
    },
    /// An OPTIONS request that no route takes itself (204).
    Options {
        /// The methods that the path answers.
        allow: Allowed<'r>,
    },
    /// The path's percent-encoding is broken, or it holds a NUL or bytes that are not UTF-8 (400).
    BadPath,
    /// No route has such a path (404).
    NotFound,
}

impl<T> Router<T> {
    /// Returns a table without routes.
    pub fn new() -> Router<T> {
        Router { nodes: Vec::new(), index: OnceLock::new() }
    }

    /// Adds a route; without methods it is one for GET.
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

    /// Finds the route for a request; `path` is the path of its URI as it came, still encoded.
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

    /// Returns every route, in the order of trial.
    pub fn routes(&self) -> impl Iterator<Item = &RouteEntry<T>> {
        self.nodes.iter().flat_map(|node| &node.variants).flat_map(|variant| &variant.entries)
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::new(&self.nodes.iter().map(|node| &node.shape).collect::<Vec<_>>()))
    }

    /// Tries every shape that the path may have, for the request that the index cannot decide.
    // Kept out of the way of the requests that need it not: 5 ns of 60.
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

impl<T> Default for Router<T> {
    fn default() -> Router<T> {
        Router::new()
    }
}
