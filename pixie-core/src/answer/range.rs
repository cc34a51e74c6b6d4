//! Ranges: which bytes of a representation a request asks for (RFC 9110, section 14).
//!
//! It decides which bytes go out; how several parts are framed is in `byteranges.rs`. Must stay true: the parts that are
//! granted never overlap, so an answer is never longer than the representation and its framing.
use std::ops::Range;

use http::{HeaderMap, HeaderValue, Method, header};

use crate::{Error, Validators, abort};

/// More parts than this are answered with the whole: a reader of a PDF asks for some, an attacker for thousands.
const PARTS_MAX: usize = 64;

/// What a request gets of a representation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it (200): no range is asked for, or one that cannot or need not be followed.
    Whole,
    /// These bytes (206), in the order in which they were asked for: at least one part, no two of which overlap.
    Parts(Vec<Range<u64>>),
    /// Nothing (416): all ranges lie behind the end.
    Unsatisfiable,
}

impl Extent {
    /// Decides what of `length` bytes a request gets, after its other conditions have passed.
    ///
    /// ```
    /// use pixie_core::{Extent, HeaderMap, Method, Validators};
    /// let mut request = HeaderMap::new();
    /// request.insert("range", "bytes=0-4,-2".parse()?);
    /// let extent = Extent::of(&Method::GET, &request, &Validators::default(), 100);
    /// assert_eq!(extent, Extent::Parts(vec![0..5, 98..100]));
    /// # Ok::<(), pixie_core::Error>(())
    /// ```
    pub fn of(method: &Method, request: &HeaderMap, validators: &Validators, length: u64) -> Extent {
        let mut lines = request.get_all(header::RANGE).iter();
        let Some(line) = lines.next().filter(|_| *method == Method::GET) else { return Extent::Whole };
        if lines.next().is_some() || !validators.allow_range(request) {
            return Extent::Whole;
        }
        match line.to_str().ok().and_then(parse) {
            Some(specs) => grant(&specs, length),
            None => Extent::Whole,
        }
    }

    /// Returns the 416 of ranges that lie behind the end.
    pub fn unsatisfiable(length: u64) -> Error {
        let whole = HeaderValue::try_from(format!("bytes */{length}")).expect("digits may stand in a header");
        let detail = format!("the range lies behind the end of {length} bytes");
        abort(416).with_place(None).with_detail(detail).with_header(header::CONTENT_RANGE, whole)
    }
}

/// One item of a `Range` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spec {
    /// From a place up to and with another.
    Between(u64, u64),
    /// From a place to the end.
    From(u64),
    /// So many bytes at the end.
    Last(u64),
}

/// Reads a `Range` header in bytes; one that breaks the grammar, or counts in another unit, is nothing and is not followed.
fn parse(text: &str) -> Option<Vec<Spec>> {
    let (unit, list) = text.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let items = list.split(',').map(str::trim).filter(|item| !item.is_empty());
    let specs: Vec<_> = items.map(spec).collect::<Option<_>>()?;
    (!specs.is_empty()).then_some(specs)
}

fn spec(item: &str) -> Option<Spec> {
    let (first, last) = item.split_once('-')?;
    match (first.trim(), last.trim()) {
        ("", last) => number(last).map(Spec::Last),
        (first, "") => number(first).map(Spec::From),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Spec::Between(first, last))
        }
    }
}

/// Reads digits; what is too long for a number is behind every end.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// Applies the items to a length; those behind the end are dropped.
fn satisfiable(specs: &[Spec], length: u64) -> Vec<Range<u64>> {
    let range = |spec: &Spec| match *spec {
        Spec::Between(first, last) => first..length.min(last.saturating_add(1)),
        Spec::From(first) => first..length,
        Spec::Last(count) => length.saturating_sub(count)..length,
    };
    specs.iter().map(range).filter(|range| range.start < range.end).collect()
}

fn grant(specs: &[Spec], length: u64) -> Extent {
    let parts = satisfiable(specs, length);
    if parts.is_empty() {
        // The last bytes of nothing are a legal wish, but `Content-Range` cannot say what was granted.
        let is_wish = length == 0 && specs.iter().any(|spec| matches!(spec, Spec::Last(1..)));
        return if is_wish { Extent::Whole } else { Extent::Unsatisfiable };
    }
    // Sections 14.2 and 17.15: many or overlapping parts are more likely an attack than a need.
    if parts.len() > PARTS_MAX || overlap(&parts) {
        return Extent::Whole;
    }
    Extent::Parts(parts)
}

fn overlap(parts: &[Range<u64>]) -> bool {
    let mut sorted: Vec<_> = parts.iter().collect();
    sorted.sort_unstable_by_key(|part| part.start);
    sorted.windows(2).any(|pair| pair[0].end > pair[1].start)
}

#[cfg(test)]
mod tests;
