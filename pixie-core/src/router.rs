//! Which route answers a request, by method and path.
//!
//! An index (the `wayfind` crate) finds the best shape of path; filters, methods, percent-encoding and the answers to HEAD
//! and OPTIONS are ours. Where the best shape's filters or methods refuse, the shapes are tried one by one, in order.
//! Must stay true: a request that its best shape answers costs the same however many routes there are, and allocates
//! nothing up to four wildcards in a path without percent-encoding.

mod conflict;
pub(crate) mod filter;
mod methods;
mod node;
pub(crate) mod normal;
mod params;
mod shape;
mod url;

use std::sync::OnceLock;

use http::Method;

use crate::{Pattern, Place};
use node::{Node, Variant};
use normal::normalise;
use params::Spans;
use shape::Shape;

pub use conflict::RouteConflict;
pub use methods::Allowed;
pub use params::Params;
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
    index: OnceLock<wayfind::Router<usize>>,
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
        let Ok(normal) = normalise(path) else { return Found::BadPath };
        let text = normal.as_deref().unwrap_or(path);
        let Some(hit) = self.index().search(text) else { return Found::NotFound };
        let mut spans = Spans::default();
        hit.parameters().iter().for_each(|(_, value)| spans.push(value, text));
        let best = self.nodes[*hit.data()].fitting(text, &spans).find_map(|variant| variant.entry(method));
        let found = match best {
            Some(entry) => Ok((entry, spans)),
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

    /// Returns the URL of the route with this handler; of several routes with one handler, the first that these
    /// parameters fit.
    pub fn url_for(&self, handler: &str, params: &[(&str, &str)]) -> Result<String, UrlError> {
        let mut named = self.routes().filter(|entry| entry.place.name == handler);
        let Some(first) = named.next() else {
            return Err(UrlError::NoRoute { handler: handler.to_owned() });
        };
        let others: Vec<&RouteEntry<T>> = named.collect();
        if let Some(other) = others.iter().find(|other| other.place.file != first.place.file) {
            return Err(UrlError::Ambiguous { first: first.place, second: other.place });
        }
        let url = first.pattern.url(params);
        url.or_else(|error| others.iter().find_map(|other| other.pattern.url(params).ok()).ok_or(error))
    }

    fn index(&self) -> &wayfind::Router<usize> {
        self.index.get_or_init(|| {
            let mut builder = wayfind::RouterBuilder::new();
            let mut partials = Vec::new();
            for (number, node) in self.nodes.iter().enumerate() {
                let inserted = builder.insert(&node.shape.template(&mut partials), number);
                inserted.expect("shapes differ, and a parsed pattern is legal in the index");
            }
            builder.build()
        })
    }

    /// Tries all shapes in order, for the request that the best shape refuses.
    fn find_one_by_one(&self, method: &Method, text: &str) -> Result<(&RouteEntry<T>, Spans), Found<'_, T>> {
        let mut refusing: Vec<&Variant<T>> = Vec::new();
        for node in &self.nodes {
            let Some(spans) = node.shape.captures(text) else { continue };
            for variant in node.fitting(text, &spans) {
                if let Some(entry) = variant.entry(method) {
                    return Ok((entry, spans.clone()));
                }
                refusing.push(variant);
            }
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
