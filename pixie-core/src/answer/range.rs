//! Ranges: which bytes of a representation a request asks for (RFC 9110, section 14).
//!
//! One range is followed. A request for several ranges gets the whole representation, which section 14.2
//! allows: browsers and download tools ask for one range at a time.
use std::ops::Range;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::{Error, Response, Validators, abort};

/// What a request gets of a representation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Extent {
    /// All of it (200): the request has no range, several ranges, or a range that cannot be followed.
    Whole,
    /// These bytes (206), at least one.
    Part(Range<u64>),
    /// Nothing (416): the range starts after the end.
    Unsatisfiable,
}

impl Extent {
    /// Decides what of `length` bytes a request gets, after its other conditions have passed.
    ///
    /// ```
    /// use pixie_core::{Extent, HeaderMap, Method, Validators};
    /// let mut request = HeaderMap::new();
    /// request.insert("range", "bytes=-2".parse()?);
    /// let extent = Extent::of(&Method::GET, &request, &Validators::default(), 100);
    /// assert_eq!(extent, Extent::Part(98..100));
    /// # Ok::<(), pixie_core::Error>(())
    /// ```
    pub fn of(method: &Method, request: &HeaderMap, validators: &Validators, length: u64) -> Extent {
        let mut lines = request.get_all(header::RANGE).iter();
        let Some(line) = lines.next().filter(|_| *method == Method::GET) else { return Extent::Whole };
        if lines.next().is_some() || !validators.allow_range(request) {
            return Extent::Whole;
        }
        line.to_str().ok().and_then(|text| parse(text, length)).unwrap_or(Extent::Whole)
    }

    /// Returns the 416 for a range that starts after the end.
    pub fn unsatisfiable(length: u64) -> Error {
        let whole = HeaderValue::try_from(format!("bytes */{length}")).expect("digits may stand in a header");
        let detail = format!("the range starts after the end: there are {length} bytes");
        abort(416).with_place(None).with_detail(detail).with_header(header::CONTENT_RANGE, whole)
    }
}

impl Response {
    /// Turns the head of a whole answer of `length` bytes into the head of this part of it (206).
    pub fn set_part(&mut self, part: &Range<u64>, length: u64) {
        let text = format!("bytes {}-{}/{length}", part.start, part.end.saturating_sub(1));
        let value = HeaderValue::try_from(text).expect("digits may stand in a header");
        self.headers_mut().insert(header::CONTENT_RANGE, value);
        self.set_status(StatusCode::PARTIAL_CONTENT);
    }
}

/// Reads a `Range` header with one range in bytes. Returns `None` for several ranges, another unit or a
/// broken header. Blanks are allowed only beside the commas of the list (RFC 9110, sections 5.6.1 and
/// 14.1.1).
fn parse(text: &str, length: u64) -> Option<Extent> {
    let (unit, list) = text.split_once('=')?;
    if list.starts_with([' ', '\t']) {
        return None;
    }
    let mut items = list.split(',').map(|item| item.trim_matches([' ', '\t'])).filter(|item| !item.is_empty());
    let (item, None) = (items.next()?, items.next()) else { return None };
    let (first, last) = item.split_once('-')?;
    let range = match (first, last) {
        ("", count) => length.saturating_sub(number(count)?)..length,
        (first, "") => number(first)?..length,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return None;
            }
            first..length.min(last.saturating_add(1))
        }
    };
    unit.eq_ignore_ascii_case("bytes").then_some(match range.start < range.end {
        true => Extent::Part(range),
        // The last bytes of an empty file can be asked for, but `Content-Range` cannot describe an empty
        // part.
        false if length == 0 && first.is_empty() && number(last) != Some(0) => Extent::Whole,
        false => Extent::Unsatisfiable,
    })
}

/// Reads digits. A number that is too large for `u64` becomes the largest one, which is after every end.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
