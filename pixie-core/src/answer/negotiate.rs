//! What a client likes best of what the server has: media types, languages, codings, and the form of an error (RFC 9110,
//! section 12.5).
//!
//! How a list is read is in `quality.rs`. Must stay true: what a client weighs with 0 is never chosen.
use std::cmp::Reverse;

use http::{HeaderMap, HeaderValue, header};

use crate::answer::quality::{Rating, Wish, rate, wishes};

/// Returns the language that the client likes best of those the server has, or nothing if it wants none of them.
///
/// A client that says nothing gets the first. `en` in the header also names `en-GB`, and `en-GB` falls back to `en`
/// (RFC 4647, section 3).
///
/// ```
/// use pixie_core::{HeaderMap, preferred_language};
/// let mut headers = HeaderMap::new();
/// headers.insert("accept-language", "de-CH, en;q=0.8".parse()?);
/// assert_eq!(preferred_language(&headers, &["en", "de"]), Some("de"));
/// # Ok::<(), pixie_core::Error>(())
/// ```
pub fn preferred_language<'a>(headers: &HeaderMap, available: &[&'a str]) -> Option<&'a str> {
    let wishes = wishes(headers.get_all(header::ACCEPT_LANGUAGE));
    preferred(available, &wishes, |tag, wish| {
        if wish.eq_ignore_ascii_case(tag) {
            Some(4)
        } else if is_prefix(tag, wish) {
            Some(2)
        } else if is_prefix(wish, tag) {
            Some(1)
        } else {
            (wish == "*").then_some(0)
        }
    })
}

/// Returns the media type that the client likes best of those the server has, or nothing if it wants none of them.
///
/// A client that says nothing gets the first.
pub fn preferred_media<'a>(headers: &HeaderMap, available: &[&'a str]) -> Option<&'a str> {
    let wishes = wishes(headers.get_all(header::ACCEPT));
    preferred(available, &wishes, media_closeness)
}

/// Returns the content coding that the client likes best of those the server has, or nothing if it takes none of them.
///
/// `identity`, no coding, is an offer like the others: name it if the server has that. Among codings of the same weight the
/// first of `available` wins, since the server knows better what they cost.
pub fn preferred_encoding<'a>(headers: &HeaderMap, available: &[&'a str]) -> Option<&'a str> {
    let wishes = wishes(headers.get_all(header::ACCEPT_ENCODING));
    let weight = |coding: &str| -> u16 {
        let closeness = |wish: &str| match wish {
            "*" => Some(0),
            named => named.eq_ignore_ascii_case(coding).then_some(1),
        };
        match rate(&wishes, closeness) {
            Some(rating) => rating.weight,
            // No coding at all is acceptable unless it is refused, but whatever is named is preferred.
            None => u16::from(coding.eq_ignore_ascii_case("identity")),
        }
    };
    let weighed = available.iter().map(|coding| (*coding, weight(coding))).filter(|(_, weight)| *weight > 0);
    // `max_by_key` would give the last of the best.
    weighed.min_by_key(|(_, weight)| Reverse(*weight)).map(|(coding, _)| coding)
}

/// A form of answer that every failure has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// A page, for browsers.
    Html,
    /// A problem document (RFC 9457), for programs; also for those that take anything.
    Json,
    /// Plain text.
    Text,
}

impl Media {
    /// Chooses the form that the `Accept` headers like best; a client that says nothing is a program.
    pub fn preferred<'v>(accept: impl IntoIterator<Item = &'v HeaderValue>) -> Media {
        let forms = [
            ("application/json", Media::Json),
            ("application/problem+json", Media::Json),
            ("text/plain", Media::Text),
            ("text/html", Media::Html),
            ("application/xhtml+xml", Media::Html),
        ];
        let names = forms.map(|(name, _)| name);
        let best = preferred(&names, &wishes(accept), media_closeness);
        forms.iter().find(|(name, _)| Some(*name) == best).map_or(Media::Json, |(_, media)| *media)
    }
}

/// Returns the best rated offer: by weight, then by how closely it is named, then by the client's order, then by ours.
fn preferred<'a>(
    available: &[&'a str],
    wishes: &[Wish<'_>],
    closeness: impl Fn(&str, &str) -> Option<u8>,
) -> Option<&'a str> {
    if wishes.is_empty() {
        return available.first().copied();
    }
    let rated = available.iter().filter_map(|offer| Some((*offer, rate(wishes, |wish| closeness(offer, wish))?)));
    let wanted = rated.filter(|(_, rating)| rating.weight > 0);
    let order = |Rating { weight, closeness, place }: Rating| (Reverse(weight), Reverse(closeness), place);
    wanted.min_by_key(|(_, rating)| order(*rating)).map(|(offer, _)| offer)
}

/// How closely a range such as `text/*` names a media type.
fn media_closeness(media: &str, range: &str) -> Option<u8> {
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

/// Says whether a language tag is the beginning of another, up to a hyphen.
fn is_prefix(short: &str, long: &str) -> bool {
    let bytes = long.as_bytes();
    bytes.get(short.len()) == Some(&b'-') && bytes[..short.len()].eq_ignore_ascii_case(short.as_bytes())
}
