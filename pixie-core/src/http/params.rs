//! `Params`: where the values of the wildcards are in a path.
//!
//! Invariant: up to four wildcards need no allocation, and [`Params`] has no lifetime, so a request can hold
//! it beside its URI.

use std::{borrow::Cow, ops::Range, str::FromStr, sync::Arc};

use percent_encoding::percent_decode_str;

/// The values of a route's wildcards, as positions in the path in which they were found.
#[derive(Clone, Debug, Default)]
pub struct Params {
    names: Option<Arc<[Box<str>]>>,
    spans: Spans,
    /// The normal form that the spans point into, if it differs from the path.
    normal: Option<Box<str>>,
}

impl Params {
    #[inline]
    pub(crate) fn new(names: &Arc<[Box<str>]>, spans: Spans, normal: Option<String>) -> Params {
        if names.is_empty() {
            return Params::default();
        }
        Params { names: Some(names.clone()), spans, normal: normal.map(String::into_boxed_str) }
    }

    /// Returns the decoded value of a wildcard; `path` must be the path of the search.
    pub fn get<'a>(&'a self, name: &str, path: &'a str) -> Option<Cow<'a, str>> {
        let at = self.names().iter().position(|known| **known == *name)?;
        self.value(at, path)
    }

    /// Returns names and decoded values in the order of the path; `path` must be the path of the search.
    pub fn iter<'a>(&'a self, path: &'a str) -> impl Iterator<Item = (&'a str, Cow<'a, str>)> {
        let named = self.names().iter().enumerate();
        named.filter_map(move |(at, name)| Some((&**name, self.value(at, path)?)))
    }

    /// Returns whether the route has no wildcards.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of wildcards.
    pub fn len(&self) -> usize {
        self.names().len()
    }

    fn names(&self) -> &[Box<str>] {
        self.names.as_deref().unwrap_or_default()
    }

    fn value<'a>(&'a self, at: usize, path: &'a str) -> Option<Cow<'a, str>> {
        let range = self.spans.as_slice().get(at)?.range();
        match &self.normal {
            None => path.get(range).map(Cow::Borrowed),
            // Only ASCII characters are encoded in the normal form, so decoding loses no text.
            Some(normal) => normal.get(range).map(|value| percent_decode_str(value).decode_utf8_lossy()),
        }
    }
}

/// Makes the value of a `<wildcard>` from its text. Every type with `FromStr` has this trait.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the value of a `<wildcard>` in a path",
    label = "has no `FromStr`",
    note = "a wildcard's type is one that parses from text: `String`, a number, `bool`, `uuid::Uuid`, or your own with `FromStr`"
)]
pub trait FromParam: Sized {
    /// Parses the decoded text. Returns `None` if the text does not fit: the response is then a 404.
    fn from_param(text: &str) -> Option<Self>;
}

#[diagnostic::do_not_recommend]
impl<T: FromStr> FromParam for T {
    fn from_param(text: &str) -> Option<T> {
        text.parse().ok()
    }
}

/// Part of a path, as byte offsets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// `value` must be a slice of `path`, which is shorter than 4 GiB (`normal.rs` sees to it).
    #[inline]
    fn of(value: &str, path: &str) -> Span {
        let start = value.as_ptr().addr() - path.as_ptr().addr();
        Span { start: start as u32, end: (start + value.len()) as u32 }
    }

    fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

const FEW: usize = 4;

/// A list of spans that allocates from the fifth on.
#[derive(Clone, Debug)]
pub(crate) enum Spans {
    Few(u32, [Span; FEW]),
    Many(Vec<Span>),
}

impl Spans {
    /// Appends the place of a value, which must be a slice of `path`.
    #[inline]
    pub(crate) fn push(&mut self, value: &str, path: &str) {
        let span = Span::of(value, path);
        match self {
            Spans::Few(len, spans) if (*len as usize) < FEW => {
                spans[*len as usize] = span;
                *len += 1;
            }
            Spans::Few(_, spans) => *self = Spans::Many([spans.as_slice(), &[span]].concat()),
            Spans::Many(spans) => spans.push(span),
        }
    }

    /// Returns the places of values, which must be slices of `path`.
    #[inline]
    pub(crate) fn of<'p>(values: impl Iterator<Item = &'p str>, path: &str) -> Spans {
        let mut spans = Spans::default();
        values.for_each(|value| spans.push(value, path));
        spans
    }

    /// Returns the text of each span.
    pub(crate) fn values<'p>(&self, path: &'p str) -> impl Iterator<Item = &'p str> + Clone {
        self.as_slice().iter().map(move |span| &path[span.range()])
    }

    fn as_slice(&self) -> &[Span] {
        match self {
            Spans::Few(len, spans) => &spans[..*len as usize],
            Spans::Many(spans) => spans,
        }
    }
}

impl Default for Spans {
    fn default() -> Spans {
        Spans::Few(0, [Span::default(); FEW])
    }
}
