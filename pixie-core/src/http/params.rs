//! `Params`: where the values of the wildcards are in a path.
//!
//! Invariant: up to four wildcards need no allocation, and [`Params`] has no lifetime, so a request can hold
//! it beside its URI.

use std::{borrow::Cow, ops::Range, str::FromStr, sync::Arc};

use percent_encoding::percent_decode_str;
use smallvec::SmallVec;

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
        let Range { start, end } = self.spans.get(at)?;
        let text = self.normal.as_deref().unwrap_or(path).get(*start as usize..*end as usize)?;
        // Only ASCII characters are encoded in the normal form, so decoding loses no text.
        Some(if self.normal.is_some() { percent_decode_str(text).decode_utf8_lossy() } else { text.into() })
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

/// Parts of a path, as byte offsets. Allocates from the fifth on.
pub(crate) type Spans = SmallVec<[Range<u32>; 4]>;

/// Returns where a value is in a path, which is shorter than 4 GiB (see `normal.rs`). `value` must be a
/// slice of `path`.
#[inline]
pub(crate) fn span(value: &str, path: &str) -> Range<u32> {
    let start = value.as_ptr().addr() - path.as_ptr().addr();
    start as u32..(start + value.len()) as u32
}

/// Returns the text at a place of a path.
pub(crate) fn text_of<'p>(span: &Range<u32>, path: &'p str) -> &'p str {
    &path[span.start as usize..span.end as usize]
}
