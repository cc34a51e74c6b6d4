//! Content negotiation: chooses the media type, language or coding that a client prefers (RFC 9110, section
//! 12.5).
//!
//! `quality.rs` reads the lists. Invariant: an offer that the client gives the weight 0 is never chosen.
use std::cmp::Reverse;

use http::{HeaderMap, HeaderValue, header};

use crate::answer::quality::{Rating, Wish, rate, wishes};

/// Returns the available language that the client prefers, or `None` if the client accepts no available
/// language.
///
/// Without an `Accept-Language` header, the first one is returned. `en` in the header also matches `en-GB`,
/// and `en-GB` falls back to `en` (RFC 4647, section 3).
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

/// Returns the available media type that the client prefers, or `None` if the client accepts no available
/// type.
///
/// Without an `Accept` header, the first one is returned.
pub fn preferred_media<'a>(headers: &HeaderMap, available: &[&'a str]) -> Option<&'a str> {
    let wishes = wishes(headers.get_all(header::ACCEPT));
    preferred(available, &wishes, media_closeness)
}

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
        let best = preferred(&names, &wishes(accept), media_closeness);
        forms.iter().find(|(name, _)| Some(*name) == best).map_or(Media::Json, |(_, media)| *media)
    }
}

/// Returns the best offer: by weight, then by closeness, then by the order of the client, then by the order
/// of the server.
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

/// Returns how closely a range such as `text/*` matches a media type.
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

/// Returns whether a language tag is the beginning of another tag, up to a hyphen.
fn is_prefix(short: &str, long: &str) -> bool {
    let bytes = long.as_bytes();
    bytes.get(short.len()) == Some(&b'-') && bytes[..short.len()].eq_ignore_ascii_case(short.as_bytes())
}
