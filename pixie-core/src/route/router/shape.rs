//! `Shape`: a pattern without names and filters, and the order in which shapes are tried.
//!
//! Invariant: two shapes are equal if and only if they match the same paths. In each segment, literal text
//! comes before wildcards. [`Shape::captures`] agrees with the index that is built from [`Shape::template`].

use std::{cmp::Reverse, mem};

use pixie_grammar::{Filter, PathPart};

use crate::{Pattern, http::params::Spans};

/// A pattern without names and filters. The smaller shape is tried first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Shape(Vec<Segment>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Segment {
    Literal(String),
    Partial(Partial),
    Whole,
    Rest,
}

/// A segment of text and wildcards in turn: `texts[0] <> texts[1] <> … texts[n]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Partial {
    /// A longer prefix comes first, then more text in total.
    rank: Reverse<(usize, usize)>,
    texts: Vec<String>,
}

impl Shape {
    pub(crate) fn of(pattern: &Pattern) -> Shape {
        let mut segments = Vec::new();
        let mut texts = vec![String::new()];
        for part in &pattern.parts {
            match part {
                PathPart::Wildcard { filter: Filter::Path, .. } => {
                    segments.push(Segment::Rest);
                    return Shape(segments);
                }
                PathPart::Wildcard { .. } => texts.push(String::new()),
                PathPart::Literal(literal) => {
                    // The slash at the start of the path does not separate two segments.
                    let literal = if segments.is_empty() && texts == [""] { &literal[1..] } else { literal };
                    for (at, text) in literal.split('/').enumerate() {
                        if at > 0 {
                            segments.push(Segment::of(mem::replace(&mut texts, vec![String::new()])));
                        }
                        texts.last_mut().expect("texts is never empty").push_str(text);
                    }
                }
            }
        }
        segments.push(Segment::of(texts));
        Shape(segments)
    }

    /// Returns a segment, counted from zero.
    pub(crate) fn segment(&self, at: usize) -> Option<&Segment> {
        self.0.get(at)
    }

    /// Returns the template for the index, in which the name of a wildcard is its position.
    pub(crate) fn template(&self) -> String {
        let mut template = String::new();
        for (at, segment) in self.0.iter().enumerate() {
            template.push('/');
            match segment {
                Segment::Literal(text) => template.push_str(text),
                Segment::Whole => template.push_str(&format!("<{at}.0>")),
                Segment::Rest => template.push_str("<*rest>"),
                Segment::Partial(Partial { texts, .. }) => {
                    template.push_str(&texts[0]);
                    for (nth, text) in texts[1..].iter().enumerate() {
                        template.push_str(&format!("<{at}.{nth}>{text}"));
                    }
                }
            }
        }
        template
    }

    /// Returns where the values of the wildcards are, if the path has this shape. The first of several
    /// wildcards in one segment takes as much as it can.
    pub(crate) fn captures(&self, path: &str) -> Option<Spans> {
        let mut spans = Spans::default();
        let mut rest = path.strip_prefix('/')?;
        let mut segments = self.0.iter().peekable();
        while let Some(segment) = segments.next() {
            let is_last = segments.peek().is_none();
            let (text, after) = match rest.split_once('/') {
                _ if matches!(segment, Segment::Rest) => (rest, ""),
                Some((text, after)) if !is_last => (text, after),
                None if is_last => (rest, ""),
                _ => return None,
            };
            let fits = match segment {
                Segment::Literal(literal) => literal == text,
                Segment::Partial(partial) => partial.captures(text, path, &mut spans).is_some(),
                Segment::Whole | Segment::Rest => {
                    spans.push(text, path);
                    !text.is_empty()
                }
            };
            if !fits {
                return None;
            }
            rest = after;
        }
        Some(spans)
    }
}

impl Segment {
    /// Returns whether this segment, which is not the rest of a path, matches the segment of a path.
    pub(crate) fn accepts(&self, text: &str) -> bool {
        match self {
            Segment::Literal(literal) => literal == text,
            Segment::Partial(partial) => partial.captures(text, text, &mut Spans::default()).is_some(),
            Segment::Whole | Segment::Rest => !text.is_empty(),
        }
    }

    fn of(mut texts: Vec<String>) -> Segment {
        match texts.as_slice() {
            [_] => Segment::Literal(texts.swap_remove(0)),
            [prefix, suffix] if prefix.is_empty() && suffix.is_empty() => Segment::Whole,
            _ => {
                let rank = Reverse((texts[0].len(), texts.iter().map(String::len).sum()));
                Segment::Partial(Partial { rank, texts })
            }
        }
    }
}

impl Partial {
    /// Searches each text from the right, which gives the first wildcard the longest value, in linear time.
    fn captures(&self, segment: &str, path: &str, spans: &mut Spans) -> Option<()> {
        let (prefix, texts) = self.texts.split_first()?;
        let (suffix, inner) = texts.split_last()?;
        let mut rest = segment.strip_prefix(prefix.as_str())?.strip_suffix(suffix.as_str())?;
        let mut values = Vec::new();
        for text in inner.iter().rev() {
            // The value after the text has at least one character.
            let last = rest.char_indices().next_back()?.0;
            let end = rest[..last].rfind(text.as_str())?;
            values.push(&rest[end + text.len()..]);
            rest = &rest[..end];
        }
        if rest.is_empty() {
            return None;
        }
        spans.push(rest, path);
        values.iter().rev().for_each(|value| spans.push(value, path));
        Some(())
    }
}
