//! All routes with one shape. Invariant: narrower filters come first, and two routes with the same filters
//! have different methods.

use http::{HeaderValue, Method};
use pixie_grammar::Filter;

use crate::route::router::{RouteConflict, RouteEntry, methods::allow, shape::Shape};

/// The routes with one shape.
pub(crate) struct Node<T> {
    pub(crate) shape: Shape,
    /// Sorted by their filters.
    pub(crate) variants: Vec<Variant<T>>,
}

/// The routes with one shape and the same filters.
pub(crate) struct Variant<T> {
    filters: Vec<Filter>,
    /// Whether the filters accept all values.
    is_plain: bool,
    pub(crate) allow: HeaderValue,
    pub(crate) entries: Vec<RouteEntry<T>>,
}

impl<T> Node<T> {
    pub(crate) fn insert(&mut self, entry: RouteEntry<T>) -> Result<(), RouteConflict> {
        let filters: Vec<Filter> = entry.pattern.filters().collect();
        match self.variants.binary_search_by(|variant| variant.filters.cmp(&filters)) {
            Ok(at) => self.variants[at].insert(entry),
            Err(at) => {
                self.variants.insert(at, Variant::new(filters, entry));
                Ok(())
            }
        }
    }

    /// Returns the variants whose filters accept these values.
    pub(crate) fn fitting<'p>(
        &self,
        values: impl Iterator<Item = &'p str> + Clone,
    ) -> impl Iterator<Item = &Variant<T>> {
        self.variants.iter().filter(move |variant| variant.accepts(values.clone()))
    }
}

impl<T> Variant<T> {
    fn new(filters: Vec<Filter>, entry: RouteEntry<T>) -> Variant<T> {
        let is_plain = filters.iter().all(|filter| matches!(filter, Filter::Text | Filter::Path));
        let allow = allow(entry.methods.iter());
        Variant { filters, is_plain, allow, entries: vec![entry] }
    }

    fn insert(&mut self, entry: RouteEntry<T>) -> Result<(), RouteConflict> {
        let taken = |known: &RouteEntry<T>| known.methods.iter().find(|method| entry.methods.contains(method)).cloned();
        if let Some((known, method)) = self.entries.iter().find_map(|known| Some((known, taken(known)?))) {
            return Err(RouteConflict::new(method, known, &entry));
        }
        self.entries.push(entry);
        self.allow = allow(self.entries.iter().flat_map(|entry| &entry.methods));
        Ok(())
    }

    fn accepts<'p>(&self, values: impl Iterator<Item = &'p str>) -> bool {
        self.is_plain || self.filters.iter().zip(values).all(|(filter, value)| filter.accepts(value))
    }

    /// Returns the route for this method. HEAD falls back to the route for GET.
    pub(crate) fn entry(&self, method: &Method) -> Option<&RouteEntry<T>> {
        let taking = |method: &Method| self.entries.iter().find(|entry| entry.methods.contains(method));
        taking(method).or_else(|| if *method == Method::HEAD { taking(&Method::GET) } else { None })
    }
}
