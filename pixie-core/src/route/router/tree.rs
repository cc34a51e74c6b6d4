//! `Tree`: the routes of a router by the segments of their paths, and the search in them.
//!
//! Invariant: two routes are at the same place in the tree if and only if they match the same paths, except
//! for their filters. A search visits a place at most once, so its cost does not grow with the number of
//! routes that begin with other segments.

use std::{cmp::Reverse, collections::BTreeMap, mem};

use http::Method;
use pixie_grammar::{Filter, PathPart};

use crate::{
    Pattern, RouteConflict, RouteEntry,
    http::params::{Spans, span, text_of},
};

/// The routes whose paths begin with the same segments.
pub(crate) struct Tree<T> {
    /// The routes whose paths end here, the narrower filters first.
    variants: Vec<Variant<T>>,
    literals: BTreeMap<String, Tree<T>>,
    /// In the order in which they are tried.
    wildcards: Vec<(Segment, Tree<T>)>,
}

/// The routes at one place with the same filters. Two of them have different methods.
pub(crate) struct Variant<T> {
    filters: Vec<Filter>,
    pub(crate) entries: Vec<RouteEntry<T>>,
}

/// A segment of text and wildcards in turn: `texts[0] <> texts[1] <> … texts[n]`. The smaller one is tried
/// first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Segment {
    /// Whether its wildcard takes the rest of the path.
    is_rest: bool,
    /// A longer prefix comes first, then more text in total.
    rank: Reverse<(usize, usize)>,
    texts: Vec<String>,
}

impl<T> Tree<T> {
    pub(crate) fn new() -> Tree<T> {
        Tree { variants: Vec::new(), literals: BTreeMap::new(), wildcards: Vec::new() }
    }

    pub(crate) fn insert(&mut self, entry: RouteEntry<T>) -> Result<(), RouteConflict> {
        let place = segments(&entry.pattern).into_iter().fold(self, Tree::branch);
        let filters: Vec<Filter> = entry.pattern.filters().collect();
        match place.variants.binary_search_by(|variant| variant.filters.cmp(&filters)) {
            Ok(at) => place.variants[at].insert(entry)?,
            Err(at) => place.variants.insert(at, Variant { filters, entries: vec![entry] }),
        }
        Ok(())
    }

    fn branch(&mut self, mut segment: Segment) -> &mut Tree<T> {
        if segment.texts.len() == 1 {
            return self.literals.entry(segment.texts.swap_remove(0)).or_insert_with(Tree::new);
        }
        let at = self.wildcards.binary_search_by(|(known, _)| known.cmp(&segment)).unwrap_or_else(|at| {
            self.wildcards.insert(at, (segment, Tree::new()));
            at
        });
        &mut self.wildcards[at].1
    }

    /// Calls `visit` with all routes, in the order in which they are tried.
    pub(crate) fn visit<'t>(&'t self, visit: &mut impl FnMut(&'t RouteEntry<T>)) {
        self.variants.iter().flat_map(|variant| &variant.entries).for_each(&mut *visit);
        let wildcards = self.wildcards.iter().map(|(_, tree)| tree);
        self.literals.values().chain(wildcards).for_each(|tree| tree.visit(visit));
    }
}

impl<T> Variant<T> {
    fn insert(&mut self, entry: RouteEntry<T>) -> Result<(), RouteConflict> {
        let taken = |known: &RouteEntry<T>| known.methods.iter().find(|method| entry.methods.contains(method)).cloned();
        if let Some((known, method)) = self.entries.iter().find_map(|known| Some((known, taken(known)?))) {
            return Err(RouteConflict::new(&method, known, &entry));
        }
        self.entries.push(entry);
        Ok(())
    }

    /// Returns the route for this method. HEAD falls back to the route for GET.
    fn entry(&self, method: &Method) -> Option<&RouteEntry<T>> {
        let taking = |method: &Method| self.entries.iter().find(|entry| entry.methods.contains(method));
        taking(method).or_else(|| if *method == Method::HEAD { taking(&Method::GET) } else { None })
    }
}

/// Returns the segments of a pattern.
fn segments(pattern: &Pattern) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut texts = vec![String::new()];
    let mut is_rest = false;
    for part in &pattern.parts {
        match part {
            PathPart::Wildcard { filter, .. } => {
                is_rest = *filter == Filter::Path;
                texts.push(String::new());
            }
            PathPart::Literal(literal) => {
                // The slash at the start of the path does not separate two segments.
                let literal = if segments.is_empty() && texts == [""] { &literal[1..] } else { literal };
                for (at, text) in literal.split('/').enumerate() {
                    if at > 0 {
                        segments.push(Segment::new(mem::replace(&mut texts, vec![String::new()]), false));
                    }
                    texts.last_mut().expect("texts is never empty").push_str(text);
                }
            }
        }
    }
    segments.push(Segment::new(texts, is_rest));
    segments
}

impl Segment {
    fn new(texts: Vec<String>, is_rest: bool) -> Segment {
        let rank = Reverse((texts[0].len(), texts.iter().map(String::len).sum()));
        Segment { is_rest, rank, texts }
    }

    /// Adds where the values of the wildcards are in `path`, if they match its segment. Searches each text
    /// from the right, which gives the first wildcard the longest value, in linear time.
    fn capture(&self, segment: &str, path: &str, spans: &mut Spans) -> Option<()> {
        let (prefix, texts) = self.texts.split_first()?;
        let (suffix, inner) = texts.split_last()?;
        let mut rest = segment.strip_prefix(prefix.as_str())?.strip_suffix(suffix.as_str())?;
        let start = spans.len();
        for text in inner.iter().rev() {
            // The value after the text has at least one character.
            let last = rest.char_indices().next_back()?.0;
            let end = rest[..last].rfind(text.as_str())?;
            spans.push(span(&rest[end + text.len()..], path));
            rest = &rest[..end];
        }
        spans.push(span(rest, path));
        spans[start..].reverse();
        (!rest.is_empty()).then_some(())
    }
}

/// A search for the route of a request.
pub(crate) struct Search<'t, 'p, T> {
    pub(crate) method: &'p Method,
    pub(crate) path: &'p str,
    /// The values of the wildcards on the way to the present place.
    pub(crate) spans: Spans,
    /// The routes that match the path, but not the method.
    pub(crate) refusing: Vec<&'t Variant<T>>,
}

impl<'t, 'p, T> Search<'t, 'p, T> {
    /// Searches in a part of the tree. `rest` is the path after the segments that lead there, if there is
    /// more.
    pub(crate) fn descend(&mut self, tree: &'t Tree<T>, rest: Option<&'p str>) -> Option<&'t RouteEntry<T>> {
        let Some(rest) = rest else { return self.end(tree) };
        // Faster than `split_once` for the short segments of paths.
        let (text, after) = match rest.bytes().position(|byte| byte == b'/') {
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        };
        if let Some(found) = tree.literals.get(text).and_then(|tree| self.descend(tree, after)) {
            return Some(found);
        }
        tree.wildcards.iter().find_map(|(segment, tree)| {
            let (text, after) = if segment.is_rest { (rest, None) } else { (text, after) };
            let before = self.spans.len();
            let captured = segment.capture(text, self.path, &mut self.spans);
            let found = captured.and_then(|()| self.descend(tree, after));
            if found.is_none() {
                self.spans.truncate(before);
            }
            found
        })
    }

    fn end(&mut self, tree: &'t Tree<T>) -> Option<&'t RouteEntry<T>> {
        let values = || self.spans.iter().map(|span| text_of(span, self.path));
        let fits =
            |variant: &&Variant<T>| variant.filters.iter().zip(values()).all(|(filter, text)| filter.accepts(text));
        for variant in tree.variants.iter().filter(fits) {
            match variant.entry(self.method) {
                None => self.refusing.push(variant),
                found => return found,
            }
        }
        None
    }
}
