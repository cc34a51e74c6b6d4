//! The normal form of a path, in which route paths and the paths of requests are compared: decoded except for
//! two characters.
//!
//! `/` stays `%2F` so that `/a%2Fb` is one segment, and `%` stays `%25` so that a second decoding gives the
//! value. Invariant: in the normal form of an encoded path, each `%` begins one of those two escapes.

/// A path with a broken percent-encoding, a NUL, or bytes that are not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPath;

/// Returns the normal form of an encoded path, or `None` if the path is its own normal form.
///
/// # Errors
///
/// Fails for a broken percent-encoding, a NUL, and bytes that are not UTF-8.
#[inline]
pub fn normalize(path: &str) -> Result<Option<String>, BadPath> {
    // One pass without an early exit, which the compiler turns into vector code.
    let (percent, nul) =
        path.bytes().fold((false, false), |(percent, nul), byte| (percent | (byte == b'%'), nul | (byte == 0)));
    // Spans are 32 bits wide (see `http/params.rs` of pixie-core); no server reads a head of that size.
    if nul || u32::try_from(path.len()).is_err() {
        return Err(BadPath);
    }
    if percent { decode(path.as_bytes()).map(Some) } else { Ok(None) }
}

fn decode(mut path: &[u8]) -> Result<String, BadPath> {
    let mut normal = Vec::with_capacity(path.len());
    while let Some((first, rest)) = path.split_first() {
        path = rest;
        if *first != b'%' {
            normal.push(*first);
            continue;
        }
        let [high, low, rest @ ..] = rest else { return Err(BadPath) };
        path = rest;
        match hex(*high)? << 4 | hex(*low)? {
            0 => return Err(BadPath),
            b'/' => normal.extend(b"%2F"),
            b'%' => normal.extend(b"%25"),
            byte => normal.push(byte),
        }
    }
    String::from_utf8(normal).map_err(|_| BadPath)
}

fn hex(digit: u8) -> Result<u8, BadPath> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(BadPath),
    }
}
