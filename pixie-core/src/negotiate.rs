//! `Media`: which form of an error a client reads, by its `Accept` header (RFC 9110, section 12.5.1).
use http::HeaderValue;

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
        let texts = accept.into_iter().filter_map(|value| value.to_str().ok());
        let ranges = texts.flat_map(|text| text.split(',')).filter_map(rated);
        // The first of the best wins: `max_by` would give the last.
        let best = ranges.fold(None, |best: Option<(Media, f32)>, next| match best {
            Some(best) if best.1 >= next.1 => Some(best),
            _ => Some(next),
        });
        best.map_or(Media::Json, |(media, _)| media)
    }
}

/// Reads one range with its weight; a range that no form fits, or of weight 0, is nothing.
fn rated(range: &str) -> Option<(Media, f32)> {
    let mut parts = range.split(';').map(str::trim);
    let name = parts.next()?.to_ascii_lowercase();
    let media = match name.as_str() {
        "text/html" | "application/xhtml+xml" => Media::Html,
        "text/plain" | "text/*" => Media::Text,
        "application/json" | "application/problem+json" | "application/*" | "*/*" => Media::Json,
        _ => return None,
    };
    let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
    let weight = weight.map_or(1.0, |text| text.parse().unwrap_or(0.0));
    (weight > 0.0).then_some((media, weight))
}
