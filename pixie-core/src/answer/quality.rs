//! Lists whose items have a weight, such as `Accept`, `Accept-Encoding` and `Accept-Language` (RFC 9110,
//! section 12.4.2).
//!
//! This file reads a list and rates an offer. Each header has its own rule for a match, which is in
//! `negotiate.rs`. A comma or semicolon inside of quotes is part of the value.
use http::HeaderValue;

/// One item of a list, without its parameters.
pub(crate) struct Wish<'h> {
    pub(crate) value: &'h str,
    /// From 0, which means refused, to 1000.
    pub(crate) weight: u16,
}

/// How well an offer fits a list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rating {
    pub(crate) weight: u16,
    /// How closely the item matches the offer, by the rule of the header.
    pub(crate) closeness: u8,
    /// The position of the item in the list.
    pub(crate) place: usize,
}

/// Reads the lines of one header. An item whose weight is not a number is skipped.
pub(crate) fn wishes<'h>(lines: impl IntoIterator<Item = &'h HeaderValue>) -> Vec<Wish<'h>> {
    let texts = lines.into_iter().filter_map(|line| line.to_str().ok());
    texts.flat_map(|text| split(text, b',')).filter_map(wish).collect()
}

/// Rates an offer by the item that matches it most closely. Returns `None` if no item matches.
pub(crate) fn rate(wishes: &[Wish<'_>], closeness: impl Fn(&str) -> Option<u8>) -> Option<Rating> {
    let ratings = wishes.iter().enumerate().filter_map(|(place, wish)| {
        let closeness = closeness(wish.value)?;
        Some(Rating { weight: wish.weight, closeness, place })
    });
    ratings.max_by_key(|rating| (rating.closeness, rating.weight))
}

fn wish(item: &str) -> Option<Wish<'_>> {
    let mut parts = split(item, b';').map(str::trim);
    let value = parts.next().filter(|value| !value.is_empty())?;
    let is_weight = |part: &str| part.get(..2).is_some_and(|name| name.eq_ignore_ascii_case("q="));
    let weight = match parts.find(|part| is_weight(part)) {
        None => 1000,
        Some(part) => weight(&part[2..])?,
    };
    Some(Wish { value, weight })
}

fn weight(text: &str) -> Option<u16> {
    let weight: f32 = text.trim().parse().ok().filter(|weight: &f32| weight.is_finite())?;
    Some((weight.clamp(0.0, 1.0) * 1000.0) as u16)
}

/// Splits at a separator, except inside of a quoted string.
fn split(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = unquoted(text.as_bytes(), separator) else { return rest.take() };
        rest = Some(&text[end + 1..]);
        Some(&text[..end])
    })
}

fn unquoted(text: &[u8], wanted: u8) -> Option<usize> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    text.iter().position(|byte| {
        let is_plain = !std::mem::take(&mut is_escaped);
        match byte {
            b'\\' if is_quoted && is_plain => is_escaped = true,
            b'"' if is_plain => is_quoted = !is_quoted,
            _ => {}
        }
        *byte == wanted && !is_quoted
    })
}
