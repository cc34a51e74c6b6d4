//! Content codings in their order of preference, and the media types that are worth compressing.
use http::{HeaderMap, HeaderValue, header};

/// A content coding (RFC 9110, section 8.4.1, and its registry).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Brotli,
    Zstd,
    Gzip,
}

impl Coding {
    /// All codings, the most efficient first.
    pub(crate) const ALL: [Coding; 3] = [Coding::Brotli, Coding::Zstd, Coding::Gzip];

    /// Returns the coding that the client prefers. If the client weighs several equally, as browsers do, the
    /// most efficient one is used.
    pub(crate) fn preferred(request: &HeaderMap, available: impl IntoIterator<Item = Coding>) -> Option<Coding> {
        if !request.contains_key(header::ACCEPT_ENCODING) {
            return None;
        }
        let mut names: Vec<_> = available.into_iter().map(Coding::as_str).collect();
        names.push("identity");
        let best = pixie_core::preferred_encoding(request, &names)?;
        Coding::ALL.into_iter().find(|coding| coding.as_str() == best)
    }

    /// Returns the name in HTTP.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Coding::Brotli => "br",
            Coding::Zstd => "zstd",
            Coding::Gzip => "gzip",
        }
    }

    /// Returns the extension of files in this coding.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Coding::Brotli => "br",
            Coding::Zstd => "zst",
            Coding::Gzip => "gz",
        }
    }
}

/// Returns whether content of this type becomes much shorter. Images, videos and archives are already
/// compressed.
pub(crate) fn is_compressible(media: &HeaderValue) -> bool {
    let Ok(media) = media.to_str() else { return false };
    let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_text = media.starts_with("text/") && media != "text/event-stream";
    let is_structured = ["json", "script", "xml", "+text"].iter().any(|ending| media.ends_with(ending));
    is_text || is_structured || COMPRESSIBLE.contains(&media.rsplit('/').next().unwrap_or_default())
}

/// Adds a header name to `Vary`, unless it is there already.
pub(crate) fn vary(headers: &mut HeaderMap, by: &'static str) {
    let is_named = |value: &HeaderValue| {
        let names = value.to_str().unwrap_or_default().split(',').map(str::trim);
        names.into_iter().any(|name| name == "*" || name.eq_ignore_ascii_case(by))
    };
    if !headers.get_all(header::VARY).iter().any(is_named) {
        headers.append(header::VARY, HeaderValue::from_static(by));
    }
}

/// Subtypes of `application`, `font` and `image`.
const COMPRESSIBLE: [&str; 10] = ["bmp", "graphql", "otf", "rtf", "sql", "toml", "ttf", "wasm", "x-icon", "x-sh"];
