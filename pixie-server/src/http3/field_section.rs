//! The names of a field section (RFC 9204, section 4.5), before h3 reads it.
//!
//! h3 takes the last one of repeated pseudo-header fields, also behind other fields and in trailers, and
//! ignores some that no request has. Such a request is malformed (RFC 9114, section 4.3), and HTTP/2 resets
//! it. Values are skipped here. Invariant: a section that cannot be read is left to h3, which reports it.

/// The pseudo-header fields of a request, each as text and in the Huffman code (RFC 7541, appendix B).
const PSEUDO: [(&[u8], &[u8]); 4] = [
    (b":method", &[0xb9, 0x49, 0x53, 0x39, 0xe4]),
    (b":scheme", &[0xb8, 0x82, 0x4e, 0x5a, 0x4b]),
    (b":authority", &[0xb8, 0x3b, 0x53, 0x39, 0xec, 0x32, 0x7d, 0x7f]),
    (b":path", &[0xb9, 0x58, 0xd3, 0x3f]),
];

/// The place of a section in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Head,
    Trailers,
}

/// The name of a field.
#[derive(Clone, Copy)]
enum Name {
    /// The number of a pseudo-header field in `PSEUDO`.
    Pseudo(usize),
    /// A pseudo-header field that no request has. That of extended CONNECT is among them, because the server
    /// does not announce it in HTTP/3.
    Foreign,
    Other,
}

impl Section {
    /// Returns whether the names in an encoded section make the request malformed.
    pub(super) fn is_malformed(self, encoded: &[u8]) -> bool {
        self.has_misplaced(encoded).unwrap_or(false)
    }

    /// Returns `None` if the section cannot be read.
    fn has_misplaced(self, mut encoded: &[u8]) -> Option<bool> {
        let rest = &mut encoded;
        // The prefix is about the dynamic table, which the server does not have.
        integer(rest, 8)?;
        integer(rest, 7)?;
        let (mut is_at_start, mut seen) = (self == Section::Head, [false; PSEUDO.len()]);
        while !rest.is_empty() {
            match name(rest)? {
                Name::Other => is_at_start = false,
                Name::Pseudo(number) if is_at_start && !seen[number] => seen[number] = true,
                Name::Pseudo(_) | Name::Foreign => return Some(true),
            }
        }
        Some(false)
    }
}

impl Name {
    /// Returns a name of the static table (RFC 9204, appendix A).
    fn at(index: u64) -> Name {
        match index {
            0 => Name::of(b":authority", false),
            1 => Name::of(b":path", false),
            15..=21 => Name::of(b":method", false),
            22..=23 => Name::of(b":scheme", false),
            24..=28 | 63..=71 => Name::of(b":status", false),
            _ => Name::Other,
        }
    }

    fn of(text: &[u8], is_huffman: bool) -> Name {
        // The code of a colon has seven bits.
        let is_pseudo = text.first().is_some_and(|first| if is_huffman { first >> 1 == 0x5c } else { *first == b':' });
        let number = PSEUDO.iter().position(|(plain, huffman)| text == if is_huffman { *huffman } else { *plain });
        match number {
            _ if !is_pseudo => Name::Other,
            Some(number) => Name::Pseudo(number),
            None => Name::Foreign,
        }
    }
}

/// Reads the name of the next field, and skips its value.
fn name(rest: &mut &[u8]) -> Option<Name> {
    let first = *rest.first()?;
    let (is_indexed, is_reference, is_literal) = (first & 0x80 != 0, first & 0xc0 == 0x40, first & 0xe0 == 0x20);
    let is_static = first & if is_indexed { 0x40 } else { 0x10 } != 0;
    let name = match () {
        () if is_indexed && is_static => return Some(Name::at(integer(rest, 6)?)),
        () if is_reference && is_static => Name::at(integer(rest, 4)?),
        () if is_literal => {
            let length = integer(rest, 3)?;
            Name::of(take(rest, length)?, first & 8 != 0)
        }
        () => return None,
    };
    let length = integer(rest, 7)?;
    take(rest, length)?;
    Some(name)
}

/// Reads an integer that begins in the last bits of a byte (RFC 7541, section 5.1).
fn integer(rest: &mut &[u8], bits: u8) -> Option<u64> {
    let most = u8::MAX >> (8 - bits);
    let first = take(rest, 1)?[0] & most;
    let mut value = u64::from(first);
    if first < most {
        return Some(value);
    }
    // h3 reads no longer ones.
    for shift in (0..63).step_by(7) {
        let byte = take(rest, 1)?[0];
        value += u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn take<'s>(rest: &mut &'s [u8], count: u64) -> Option<&'s [u8]> {
    let (taken, others) = rest.split_at_checked(usize::try_from(count).ok()?)?;
    *rest = others;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Encodes names as literals, each with the value `v`.
    fn literals(names: &[&str]) -> Vec<u8> {
        let line = |name: &&str| {
            let length = match name.len() {
                short @ 0..7 => vec![0x20 | short as u8],
                long => vec![0x27, long as u8 - 7],
            };
            [&length, name.as_bytes(), &[1, b'v']].concat()
        };
        [vec![0, 0], names.iter().flat_map(line).collect()].concat()
    }

    fn check(encoded: &[u8], wanted: bool) {
        assert_eq!(Section::Head.is_malformed(encoded), wanted, "{encoded:x?}");
        // A section that is cut cannot be read.
        assert!((0..encoded.len()).all(|end| !Section::Head.is_malformed(&encoded[..end])) || wanted, "{encoded:x?}");
    }

    #[test]
    fn pseudo_headers_stand_once_and_before_the_others() {
        let all = [":method", ":scheme", ":authority", ":path"];
        check(&literals(&all), false);
        check(&literals(&[&all[..], &["x", "x", "a-longer-name"]].concat()), false);
        all.iter().for_each(|name| check(&literals(&[&all[..], &[name]].concat()), true));
        all.iter().for_each(|name| check(&literals(&["x", name]), true));
        for foreign in [":status", ":protocol", ":", ":Path", ":pathx"] {
            check(&literals(&[foreign]), true);
        }
    }

    #[test]
    fn names_of_the_static_table_and_huffman_codes_are_the_same_names() {
        // `:method: GET`, `:scheme: https`, `:authority: a`, `:path: /`.
        let head = [0, 0, 0xd1, 0xd7, 0x50, 1, b'a', 0xc1];
        check(&head, false);
        for (_, huffman) in PSEUDO {
            let line = match huffman.len() {
                short @ 0..7 => [&[0x28 | short as u8], huffman, &[0]].concat(),
                long => [&[0x2f, long as u8 - 7], huffman, &[0]].concat(),
            };
            check(&[&[0, 0], &line[..]].concat(), false);
            check(&[&head[..], &line].concat(), true);
        }
        // `:status` in both parts of the table, and the Huffman code of `:a`.
        check(&[0, 0, 0xd8], true);
        check(&[0, 0, 0xff, 0], true);
        check(&[0, 0, 0x2a, 0xb8, 0x7f, 0], true);
        // `age: 0`, then a path.
        check(&[0, 0, 0xc2, 0xc1], true);
    }

    #[test]
    fn trailers_have_no_pseudo_headers() {
        assert!(Section::Trailers.is_malformed(&literals(&[":path"])));
        assert!(!Section::Trailers.is_malformed(&literals(&["x"])));
    }

    #[test]
    fn what_cannot_be_read_is_left_to_h3() {
        // The dynamic table; a length beyond the end; an integer without an end.
        check(&[0, 0, 0x80], false);
        check(&[0, 0, 0x10], false);
        check(&[0, 0, 0x40, 0], false);
        check(&[0, 0, 0x22, b':'], false);
        check(&[&[0, 0, 0xff], &[0xff; 20][..]].concat(), false);
    }
}
