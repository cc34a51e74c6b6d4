//! The frames of a stream (RFC 9114, section 7.1), before h3 sees them.
//!
//! h3 keeps a frame other than DATA until it is complete, whatever its length, takes an empty DATA frame for
//! the end of a body, and accepts heads that are malformed (`field_section.rs`). So long frames and such
//! heads are refused here, and empty and unknown frames are left out. Invariant: what h3 gets has the same
//! meaning.

use bytes::{Buf, Bytes, BytesMut};
use h3::error::Code;

use super::field_section::Section;

const DATA: u64 = 0;
const HEADERS: u64 = 1;
/// The types with a meaning in HTTP/3 or HTTP/2, all below this number. h3 refuses those that are out of
/// place.
const KNOWN: u64 = 0x10;
/// The type of a control stream (RFC 9114, section 6.2.1).
const CONTROL: u64 = 0;
/// The longest two numbers, in bytes (RFC 9000, section 16).
const HEADER_BYTES_MAX: usize = 16;

/// Where a stream is.
pub(super) struct Frames {
    bytes_max: u64,
    place: Place,
    /// The beginning of a header that has arrived in part.
    header: [u8; HEADER_BYTES_MAX],
    header_bytes: usize,
    /// What the next HEADERS frame has.
    section: Section,
    /// The beginning of a HEADERS frame that has arrived in part.
    fields: BytesMut,
}

enum Place {
    /// At the type of a stream.
    Type,
    /// At the type and the length of a frame.
    Header,
    /// Inside a frame that has this many more bytes. They are left out if the frame has no meaning.
    Payload { left: u64, is_known: bool },
    /// Inside a HEADERS frame that has this many more bytes.
    Fields { left: u64 },
    /// In a stream without frames.
    Unframed,
}

/// What h3 gets next.
pub(super) enum Piece {
    Bytes(Bytes),
    /// More bytes have to arrive.
    None,
    /// The stream is refused with this code.
    Refused(Code),
}

impl Frames {
    /// Returns the frames of a request.
    pub(super) fn of_request(bytes_max: u64) -> Frames {
        let (place, header, section, fields) = (Place::Header, [0; HEADER_BYTES_MAX], Section::Head, BytesMut::new());
        Frames { bytes_max, place, header, header_bytes: 0, section, fields }
    }

    /// Returns the frames of another stream, if it turns out to have frames.
    pub(super) fn of_other(bytes_max: u64) -> Frames {
        Frames { place: Place::Type, ..Frames::of_request(bytes_max) }
    }

    /// Takes the next piece from the bytes that have arrived.
    pub(super) fn next(&mut self, arrived: &mut Bytes) -> Piece {
        loop {
            match self.place {
                Place::Unframed if arrived.is_empty() => return Piece::None,
                Place::Unframed => return Piece::Bytes(std::mem::take(arrived)),
                Place::Payload { left: 0, .. } => self.place = Place::Header,
                Place::Payload { .. } if arrived.is_empty() => return Piece::None,
                Place::Payload { left, is_known } => {
                    let bytes = take(arrived, left);
                    self.place = Place::Payload { left: left - bytes.len() as u64, is_known };
                    if is_known {
                        return Piece::Bytes(bytes);
                    }
                }
                Place::Fields { left } => match take(arrived, left) {
                    part if (part.len() as u64) < left => {
                        self.place = Place::Fields { left: left - part.len() as u64 };
                        self.fields.extend_from_slice(&part);
                        return Piece::None;
                    }
                    part => {
                        self.place = Place::Header;
                        return self.end_fields(part);
                    }
                },
                Place::Type | Place::Header => {
                    if !arrived.has_remaining() {
                        return Piece::None;
                    }
                    self.header[self.header_bytes] = arrived.get_u8();
                    self.header_bytes += 1;
                    if let Some(piece) = self.begin() {
                        return piece;
                    }
                }
            }
        }
    }

    /// Begins what a complete header announces. Returns `None` if h3 must not see a byte.
    fn begin(&mut self) -> Option<Piece> {
        let mut header = &self.header[..self.header_bytes];
        let kind = number(&mut header)?;
        let (place, is_passed) = match self.place {
            Place::Type if kind == CONTROL => (Place::Header, true),
            Place::Type => (Place::Unframed, true),
            _ => {
                let left = number(&mut header)?;
                let is_known = kind < KNOWN;
                if kind != DATA && is_known && left > self.bytes_max {
                    return Some(Piece::Refused(Code::H3_EXCESSIVE_LOAD));
                }
                let place = if kind == HEADERS { Place::Fields { left } } else { Place::Payload { left, is_known } };
                (place, is_known && (kind != DATA || left > 0))
            }
        };
        self.place = place;
        let bytes = self.take_header();
        is_passed.then_some(Piece::Bytes(bytes))
    }

    /// Checks a HEADERS frame whose last part has arrived.
    fn end_fields(&mut self, last: Bytes) -> Piece {
        let fields = match self.fields.is_empty() {
            true => last,
            false => {
                self.fields.extend_from_slice(&last);
                self.fields.split().freeze()
            }
        };
        match std::mem::replace(&mut self.section, Section::Trailers).is_malformed(&fields) {
            true => Piece::Refused(Code::H3_MESSAGE_ERROR),
            false => Piece::Bytes(fields),
        }
    }

    /// Returns what h3 gets before the end of the stream: a header or a HEADERS frame that is not complete.
    pub(super) fn end(&mut self) -> Option<Bytes> {
        let rest = if self.fields.is_empty() { self.take_header() } else { self.fields.split().freeze() };
        Some(rest).filter(|rest| !rest.is_empty())
    }

    fn take_header(&mut self) -> Bytes {
        Bytes::copy_from_slice(&self.header[..std::mem::take(&mut self.header_bytes)])
    }
}

/// Takes up to this number of bytes.
fn take(arrived: &mut Bytes, most: u64) -> Bytes {
    let count = usize::try_from(most).map_or(arrived.len(), |most| most.min(arrived.len()));
    arrived.split_to(count)
}

/// Reads a number with a variable length (RFC 9000, section 16), if it is complete.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let first = *bytes.first()?;
    let (number, rest) = bytes.split_at_checked(1 << (first >> 6))?;
    *bytes = rest;
    let start = u64::from(first & 0x3f);
    Some(number[1..].iter().fold(start, |number, byte| number << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what h3 gets of a stream that arrives in parts of this size, or `None` if it is refused.
    fn pass(mut frames: Frames, bytes: &[u8], part: usize) -> Option<Vec<u8>> {
        let mut passed = Vec::new();
        for part in bytes.chunks(part) {
            let mut arrived = Bytes::copy_from_slice(part);
            loop {
                match frames.next(&mut arrived) {
                    Piece::Bytes(bytes) => passed.extend_from_slice(&bytes),
                    Piece::None => break,
                    Piece::Refused(_) => return None,
                }
            }
        }
        passed.extend(frames.end().unwrap_or_default());
        Some(passed)
    }

    #[test]
    fn empty_data_and_unknown_frames_are_left_out() {
        let known = [&[1, 2, 7, 7][..], &[0, 3, 9, 9, 9], &[0x40, 0, 0x40, 1, 9]].concat();
        let with_others = [
            &[0x21, 0][..],
            &known[..4],
            &[0, 0],
            &known[4..9],
            &[0x40, 0, 0x80, 0, 0, 0],
            &[0x7f, 0xff, 0x40, 2, 0, 0],
        ];
        let sent = [&with_others.concat(), &known[9..], &[0, 0]].concat();
        for part in 1..sent.len() {
            assert_eq!(pass(Frames::of_request(10), &sent, part).expect("no frame is long"), known);
        }
    }

    #[test]
    fn only_data_and_unknown_frames_may_be_long() {
        let check = |bytes: &[u8]| (1..=bytes.len()).all(|part| pass(Frames::of_request(2), bytes, part).is_some());
        assert!(check(&[1, 2, 0, 0]) && check(&[0, 3, 0, 0, 0]) && check(&[0x21, 3, 0, 0, 0]));
        assert!(!check(&[1, 3]) && !check(&[4, 3]) && !check(&[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]));
    }

    #[test]
    fn only_the_control_stream_has_frames_beside_requests() {
        let (control, other) = ([0, 4, 2, 1, 1, 0x21, 1, 9], [2, 4, 9, 1, 1]);
        for part in 1..8 {
            assert_eq!(pass(Frames::of_other(2), &control, part), Some(vec![0, 4, 2, 1, 1]));
            assert_eq!(pass(Frames::of_other(2), &other, part), Some(other.to_vec()));
        }
        assert_eq!(pass(Frames::of_other(2), &[0, 4, 3], 1), None);
    }

    #[test]
    fn a_header_that_is_cut_reaches_h3() {
        assert_eq!(pass(Frames::of_request(9), &[1, 0x40], 2), Some(vec![1, 0x40]));
        for part in 1..5 {
            assert_eq!(pass(Frames::of_request(9), &[1, 4, 0, 0, 0xd1], part), Some(vec![1, 4, 0, 0, 0xd1]));
        }
    }

    #[test]
    fn a_malformed_head_and_malformed_trailers_are_refused() {
        // `:method: GET` and `age: 0`.
        let (method, age) = ([1, 3, 0, 0, 0xd1], [1, 3, 0, 0, 0xc2]);
        let sent = [&method[..], &[0, 2, 9, 9], &age].concat();
        for part in 1..sent.len() {
            assert_eq!(pass(Frames::of_request(9), &sent, part), Some(sent.clone()));
            assert_eq!(pass(Frames::of_request(9), &[&sent[..9], &method].concat(), part), None);
            assert_eq!(pass(Frames::of_request(9), &[1, 4, 0, 0, 0xd1, 0xd1], part), None);
        }
    }
}
