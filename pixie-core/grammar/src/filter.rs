//! `Filter`: which values a wildcard accepts.
//!
//! Invariant: Rust's own parsers read each value that `int`, `float` and `uuid` accept, unless the number is
//! too large.

/// The filter of a wildcard. A router tries the filters in this order, the narrow ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Filter {
    /// `uuid`: the hyphenated form of RFC 9562.
    Uuid,
    /// `int`: digits, with an optional sign.
    Int,
    /// `float`: the same with at most one point.
    Float,
    /// No filter: text within one segment.
    Text,
    /// `path`: the rest of the path, slashes included.
    Path,
}

impl Filter {
    /// Returns the filter that a path calls by this name.
    pub fn named(name: &str) -> Option<Filter> {
        match name {
            "uuid" => Some(Filter::Uuid),
            "int" => Some(Filter::Int),
            "float" => Some(Filter::Float),
            "path" => Some(Filter::Path),
            _ => None,
        }
    }

    /// Returns what the filter accepts, for an error message.
    pub fn wanted(self) -> &'static str {
        match self {
            Filter::Uuid => "a UUID",
            Filter::Int => "a whole number",
            Filter::Float => "a decimal number",
            Filter::Text | Filter::Path => "text that leads back to this route (not empty, no NUL, no `.` or `..`)",
        }
    }

    /// Returns whether the filter accepts this value, which is not empty.
    #[inline]
    pub fn accepts(self, value: &str) -> bool {
        match self {
            Filter::Uuid => is_uuid(value.as_bytes()),
            Filter::Int => is_number(value, false),
            Filter::Float => is_number(value, true),
            Filter::Text | Filter::Path => true,
        }
    }
}

/// An optional sign and digits, with at most one point among them if a point is allowed.
fn is_number(value: &str, point_allowed: bool) -> bool {
    let unsigned = value.strip_prefix(['-', '+']).unwrap_or(value);
    let points = unsigned.bytes().filter(|byte| *byte == b'.').count();
    unsigned.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && unsigned.len() > points
        && points <= usize::from(point_allowed)
}

/// The hyphenated form of RFC 9562, section 4.
fn is_uuid(value: &[u8]) -> bool {
    value.len() == 36
        && value.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
