//! The body of a 206 answer: one part as it is, several as `multipart/byteranges` (RFC 9110, section 14.6).
//!
//! It plans the body as pieces of framing and ranges of content, and whoever has the content puts the two together. Must
//! stay true: the planned length is the sum of the pieces.
use std::ops::Range;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};

use crate::Response;

/// The plan of a partial body.
#[derive(Clone, Debug)]
pub struct PartialBody {
    pieces: Vec<RangePiece>,
    kind: Kind,
}

/// A piece of a partial body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangePiece {
    /// Framing, to be sent as it is.
    Frame(Bytes),
    /// These bytes of the content.
    Content(Range<u64>),
}

#[derive(Clone, Debug)]
enum Kind {
    Single(HeaderValue),
    Several { content_type: HeaderValue },
}

impl PartialBody {
    /// Plans a body for these parts of `length` bytes.
    ///
    /// The boundary must not come in the content, so it should be random; it is used only for several parts.
    pub fn new(parts: &[Range<u64>], length: u64, media: Option<&HeaderValue>, boundary: &str) -> PartialBody {
        if let [part] = parts {
            let kind = Kind::Single(content_range(part, length));
            return PartialBody { pieces: vec![RangePiece::Content(part.clone())], kind };
        }
        let mut pieces = Vec::with_capacity(parts.len() * 2 + 1);
        for part in parts {
            pieces.push(RangePiece::Frame(part_head(part, length, media, boundary)));
            pieces.push(RangePiece::Content(part.clone()));
        }
        pieces.push(RangePiece::Frame(format!("\r\n--{boundary}--\r\n").into()));
        let content_type = format!("multipart/byteranges; boundary={boundary}");
        let content_type = HeaderValue::try_from(content_type).expect("a boundary may stand in a header");
        PartialBody { pieces, kind: Kind::Several { content_type } }
    }

    /// Returns the pieces in the order in which they are sent.
    pub fn pieces(&self) -> &[RangePiece] {
        &self.pieces
    }

    /// Returns the length of all pieces.
    pub fn length(&self) -> u64 {
        let lengths = self.pieces.iter().map(|piece| match piece {
            RangePiece::Frame(frame) => frame.len() as u64,
            RangePiece::Content(range) => range.end - range.start,
        });
        lengths.sum()
    }

    /// Puts the pieces of a content that is in memory together.
    pub fn collect(&self, content: &Bytes) -> Bytes {
        let slice = |range: &Range<u64>| content.slice(range.start as usize..range.end as usize);
        if let [RangePiece::Content(range)] = self.pieces.as_slice() {
            return slice(range);
        }
        let mut body = Vec::with_capacity(self.length() as usize);
        for piece in &self.pieces {
            match piece {
                RangePiece::Frame(frame) => body.extend_from_slice(frame),
                RangePiece::Content(range) => body.extend_from_slice(&slice(range)),
            }
        }
        body.into()
    }

    /// Turns the head of the whole answer into that of this partial one.
    pub fn write_head(&self, response: &mut Response) {
        response.set_status(StatusCode::PARTIAL_CONTENT);
        let headers = response.headers_mut();
        match &self.kind {
            Kind::Single(range) => headers.insert(header::CONTENT_RANGE, range.clone()),
            // The parts have their own `Content-Range`, so the head must have none.
            Kind::Several { content_type } => headers.insert(header::CONTENT_TYPE, content_type.clone()),
        };
    }
}

fn part_head(part: &Range<u64>, length: u64, media: Option<&HeaderValue>, boundary: &str) -> Bytes {
    let mut head = format!("\r\n--{boundary}\r\n").into_bytes();
    if let Some(media) = media {
        head.extend_from_slice(b"content-type: ");
        head.extend_from_slice(media.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"content-range: ");
    head.extend_from_slice(content_range(part, length).as_bytes());
    head.extend_from_slice(b"\r\n\r\n");
    head.into()
}

fn content_range(part: &Range<u64>, length: u64) -> HeaderValue {
    let text = format!("bytes {}-{}/{length}", part.start, part.end - 1);
    HeaderValue::try_from(text).expect("digits may stand in a header")
}
