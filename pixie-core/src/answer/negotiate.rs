//! Content negotiation: chooses the media type or coding that a client prefers (RFC 9110, section 12.5).
//!
//! Invariant: an offer that the client gives the weight 0 is never chosen. A comma or semicolon inside of
//! quotes is part of a value.
use std::cmp::Reverse;

use http::{HeaderMap, HeaderValue, header};

/// Returns the available content coding that the client prefers, or `None` if the client accepts no available
/// coding.
///
/// `identity` stands for no coding: list it if the server can send that. Of several codings with the same
/// weight, the first one in `available` is returned, because the server knows their cost.
pub fn preferred_encoding<'a>(headers: &HeaderMap, available: &[&'a str]) -> Option<&'a str> {
    let wishes = wishes(headers.get_all(header::ACCEPT_ENCODING));
    let weight = |coding: &str| -> u16 {
        let closeness = |wish: &str| match wish {
            "*" => Some(0),
            named => named.eq_ignore_ascii_case(coding).then_some(1),
        };
        match rate(&wishes, closeness) {
            Some(rating) => rating.weight,
            // `identity` is acceptable unless it is refused, but listed codings are preferred.
            None => u16::from(coding.eq_ignore_ascii_case("identity")),
        }
    };
    let weighed = available.iter().map(|coding| (*coding, weight(coding))).filter(|(_, weight)| *weight > 0);
    // `max_by_key` would return the last one of the best.
    weighed.min_by_key(|(_, weight)| Reverse(*weight)).map(|(coding, _)| coding)
}

/// The form of an error page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Media {
    /// A page, for browsers.
    Html,
    /// A problem document (RFC 9457), for programs. Also the form for clients that accept everything.
    Json,
    /// Plain text.
    Text,
}

impl Media {
    /// Returns the form that the `Accept` headers prefer. Without them, the client is taken for a program.
    pub fn preferred<'v>(accept: impl IntoIterator<Item = &'v HeaderValue>) -> Media {
        let forms = [
            ("application/json", Media::Json),
            ("application/problem+json", Media::Json),
            ("text/plain", Media::Text),
            ("text/html", Media::Html),
            ("application/xhtml+xml", Media::Html),
        ];
        let names = forms.map(|(name, _)| name);
        let best = preferred(&names, &wishes(accept));
        forms.iter().find(|(name, _)| Some(*name) == best).map_or(Media::Json, |(_, media)| *media)
    }
}

/// Returns the best offer: by weight, then by closeness, then by the order of the client, then by the order
/// of the server.
fn preferred<'a>(available: &[&'a str], wishes: &[Wish<'_>]) -> Option<&'a str> {
    if wishes.is_empty() {
        return available.first().copied();
    }
    let rated = available.iter().filter_map(|offer| Some((*offer, rate(wishes, |wish| closeness(offer, wish))?)));
    let wanted = rated.filter(|(_, rating)| rating.weight > 0);
    let order = |Rating { weight, closeness, place }: Rating| (Reverse(weight), Reverse(closeness), place);
    wanted.min_by_key(|(_, rating)| order(*rating)).map(|(offer, _)| offer)
}

/// Returns how closely a range such as `text/*` matches a media type.
fn closeness(media: &str, range: &str) -> Option<u8> {
    if range.eq_ignore_ascii_case(media) {
        return Some(2);
    }
    let (of_range, any) = range.split_once('/')?;
    let (of_media, _) = media.split_once('/')?;
    match (any, of_range) {
        ("*", "*") => Some(0),
        ("*", name) => name.eq_ignore_ascii_case(of_media).then_some(1),
        _ => None,
    }
}

/// One item of a list, without its parameters.
struct Wish<'h> {
    value: &'h str,
    /// From 0, which means refused, to 1000.
    weight: u16,
}

/// How well an offer fits a list.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Rating {
    weight: u16,
    /// How closely the item matches the offer, by the rule of the header.
    closeness: u8,
    /// The position of the item in the list.
    place: usize,
}

/// Reads the lines of one header. An item whose weight is not a number is skipped.
fn wishes<'h>(lines: impl IntoIterator<Item = &'h HeaderValue>) -> Vec<Wish<'h>> {
    let texts = lines.into_iter().filter_map(|line| line.to_str().ok());
    texts.flat_map(|text| split(text, b',')).filter_map(wish).collect()
}

/// Rates an offer by the item that matches it most closely. Returns `None` if no item matches.
fn rate(wishes: &[Wish<'_>], closeness: impl Fn(&str) -> Option<u8>) -> Option<Rating> {
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

#[cfg(test)]
mod tests;
