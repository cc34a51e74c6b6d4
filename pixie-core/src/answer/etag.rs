//! `ETag`: the name of one version of a representation, and how two tags are compared (RFC 9110, section
//! 8.8.3).
//!
//! Invariant: the value is well-formed, `"…"` or `W/"…"`.
use std::hash::{DefaultHasher, Hasher};

use http::HeaderValue;

/// An entity tag. Versions with the same strong tag have the same bytes. Versions with the same weak tag have
/// the same meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ETag(HeaderValue);

impl ETag {
    /// Returns a strong tag, or `None` if the text has quotes, spaces or control characters.
    pub fn strong(text: &str) -> Option<ETag> {
        ETag::quoted("", text)
    }

    /// Returns a weak tag, or `None` if the text has quotes, spaces or control characters.
    pub fn weak(text: &str) -> Option<ETag> {
        ETag::quoted("W/", text)
    }

    /// Returns a strong tag made of the bytes. Another version of this crate may make another tag.
    pub fn of(bytes: &[u8]) -> ETag {
        let mut hasher = DefaultHasher::new();
        hasher.write(bytes);
        let text = format!("\"{:x}-{:016x}\"", bytes.len(), hasher.finish());
        ETag(HeaderValue::try_from(text).expect("hexadecimal digits may stand in a header"))
    }

    /// Reads the value of an `ETag` header. Returns `None` if it is malformed.
    pub fn parse(value: &HeaderValue) -> Option<ETag> {
        let (_, rest) = take(value.as_bytes())?;
        rest.is_empty().then(|| ETag(value.clone()))
    }

    /// Returns whether this is a weak tag.
    pub fn is_weak(&self) -> bool {
        self.tag().is_weak
    }

    /// Returns the weak tag with the same text.
    pub fn weakened(&self) -> ETag {
        if self.is_weak() {
            return self.clone();
        }
        let value = [b"W/", self.0.as_bytes()].concat();
        ETag(HeaderValue::from_bytes(&value).expect("a tag may stand in a header"))
    }

    /// Returns the tag as the value of a header.
    pub fn header_value(&self) -> &HeaderValue {
        &self.0
    }

    /// Returns whether a list has this tag by strong comparison, in which a weak tag never matches.
    pub(crate) fn is_strongly_in(&self, list: &[u8]) -> bool {
        let own = self.tag();
        !own.is_weak && tags(list).any(|tag| tag == own)
    }

    /// Returns whether a list has this tag by weak comparison, which compares only the text.
    pub(crate) fn is_weakly_in(&self, list: &[u8]) -> bool {
        let own = self.tag();
        tags(list).any(|tag| tag.text == own.text)
    }

    fn quoted(prefix: &str, text: &str) -> Option<ETag> {
        let is_legal = text.bytes().all(is_tag_byte);
        is_legal.then(|| HeaderValue::try_from(format!("{prefix}\"{text}\"")).ok()).flatten().map(ETag)
    }

    fn tag(&self) -> Tag<'_> {
        take(self.0.as_bytes()).expect("an entity tag is well-formed").0
    }
}

impl From<ETag> for HeaderValue {
    fn from(tag: ETag) -> HeaderValue {
        tag.0
    }
}

#[derive(PartialEq, Eq)]
struct Tag<'h> {
    is_weak: bool,
    /// Without the quotes.
    text: &'h [u8],
}

/// Returns the tags of a list. Malformed text is skipped up to the next comma.
fn tags(list: &[u8]) -> impl Iterator<Item = Tag<'_>> {
    let mut rest = list;
    std::iter::from_fn(move || {
        loop {
            let start = rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b','))?;
            rest = &rest[start..];
            if let Some((tag, after)) = take(rest) {
                rest = after;
                return Some(tag);
            }
            let comma = rest.iter().position(|byte| *byte == b',')?;
            rest = &rest[comma..];
        }
    })
}

/// Reads a tag at the front. Returns it with the text after it.
fn take(text: &[u8]) -> Option<(Tag<'_>, &[u8])> {
    let (is_weak, quoted) = match text.strip_prefix(b"W/") {
        Some(quoted) => (true, quoted),
        None => (false, text),
    };
    let inner = quoted.strip_prefix(b"\"")?;
    let end = inner.iter().position(|byte| !is_tag_byte(*byte))?;
    let rest = inner[end..].strip_prefix(b"\"")?;
    Some((Tag { is_weak, text: &inner[..end] }, rest))
}

/// `etagc` of the grammar.
fn is_tag_byte(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x7e | 0x80..)
}
