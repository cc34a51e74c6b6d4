//! `Multipart`: cuts a `multipart/form-data` body into its parts (RFC 7578).
//!
//! Bytes are pushed in, in pieces of any size, and events come out. The content of a part is returned as
//! slices of the pushed bytes. Invariant: at most the head of one part or the beginning of a possible
//! boundary is held back, so memory does not grow with the body. A body that two parsers could read in
//! different ways is rejected.
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, header};
use memchr::memmem;

use crate::{
    Error, StatusCode,
    error::refused,
    form::part_head::{PartHead, malformed},
};

/// Limits the boundary, in bytes (RFC 2046, section 5.1.1).
const BOUNDARY_BYTES_MAX: usize = 70;

/// Cuts a `multipart/form-data` body into its parts.
#[derive(Debug)]
pub(crate) struct Multipart {
    /// Line break, two hyphens and the boundary.
    delimiter: Box<[u8]>,
    head_bytes_max: usize,
    stage: Stage,
    buffer: Bytes,
    /// The number of bytes that were skipped in the preamble, or as white space after a boundary.
    skipped: usize,
}

/// What [`Multipart`] found next.
#[derive(Debug)]
pub(crate) enum MultipartEvent {
    /// A part begins.
    Part(PartHead),
    /// A piece of the part's content.
    Data(Bytes),
    /// The part is complete.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Before the first boundary.
    Preamble,
    /// Right after a boundary.
    Delimiter,
    /// In the head of a part, which begins with the line break after the boundary.
    Head,
    /// Before the content of a part. The line break after the head is still unread, because it may belong to
    /// a boundary.
    Start,
    Data,
    /// After the last boundary. All later bytes are ignored.
    Closed,
}

impl Multipart {
    /// Returns a parser for the boundary in the `Content-Type` header. The head of a part may have
    /// `head_bytes_max` bytes.
    ///
    /// # Errors
    ///
    /// Returns an error if the header has no valid boundary.
    pub(crate) fn new(headers: &HeaderMap, head_bytes_max: usize) -> Result<Multipart, Error> {
        let boundary = headers.get(header::CONTENT_TYPE).and_then(boundary);
        let boundary = boundary.ok_or_else(|| malformed("its Content-Type names no boundary, or is malformed"))?;
        if !(1..=BOUNDARY_BYTES_MAX).contains(&boundary.len()) || boundary.contains(|c: char| c.is_ascii_control()) {
            let limits = format!("1 to {BOUNDARY_BYTES_MAX} characters, without control characters");
            return Err(malformed(&format!("the boundary in its Content-Type must have {limits}")));
        }
        Ok(Multipart {
            delimiter: [b"\r\n--", boundary.as_bytes()].concat().into(),
            head_bytes_max,
            stage: Stage::Preamble,
            // Allows a boundary at the very beginning to be found like all others.
            buffer: Bytes::from_static(b"\r\n"),
            skipped: 0,
        })
    }

    /// Adds the next bytes of the body.
    pub(crate) fn push(&mut self, piece: Bytes) {
        if self.stage == Stage::Closed {
            return;
        }
        self.buffer = match self.buffer.is_empty() {
            true => piece,
            false => {
                let mut joined = BytesMut::with_capacity(self.buffer.len() + piece.len());
                joined.extend_from_slice(&self.buffer);
                joined.extend_from_slice(&piece);
                joined.freeze()
            }
        };
    }

    /// Returns the next event, or `None` if more bytes are needed.
    pub(crate) fn next_event(&mut self) -> Result<Option<MultipartEvent>, Error> {
        loop {
            let before = self.stage;
            let event = match self.stage {
                Stage::Preamble => self.preamble().map(|()| None),
                Stage::Delimiter => self.delimiter().map(|()| None),
                Stage::Head => self.head(),
                Stage::Start => Ok(self.start()),
                Stage::Data => Ok(self.data()),
                Stage::Closed => Ok(None),
            }?;
            if event.is_some() || self.stage == before {
                return Ok(event);
            }
        }
    }

    /// Checks at the end of the body that the last boundary was found.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        match self.stage {
            Stage::Closed => Ok(()),
            _ => Err(malformed("it ends before its last boundary")),
        }
    }

    fn preamble(&mut self) -> Result<(), Error> {
        match memmem::find(&self.buffer, &self.delimiter) {
            Some(at) => {
                self.skip(at)?;
                self.pass_delimiter();
            }
            None => {
                let kept = self.undecided();
                self.skip(self.buffer.len() - kept)?;
            }
        }
        Ok(())
    }

    /// Reads what follows a boundary: two hyphens at the end of the body, otherwise white space and a line
    /// break.
    fn delimiter(&mut self) -> Result<(), Error> {
        // Hyphens after white space do not end the body. The result must not depend on the pieces.
        if self.skipped == 0 && self.buffer.starts_with(b"--") {
            self.buffer = Bytes::new();
            self.stage = Stage::Closed;
            return Ok(());
        }
        let is_space = |byte: &&u8| matches!(byte, b' ' | b'\t');
        self.skip(self.buffer.iter().take_while(is_space).count())?;
        match *self.buffer {
            [] | [b'\r'] => Ok(()),
            [b'-'] if self.skipped == 0 => Ok(()),
            [b'\r', b'\n', ..] => {
                self.stage = Stage::Head;
                Ok(())
            }
            [b'\n', ..] => Err(malformed("its lines end in LF: they must end in CR LF")),
            _ => Err(malformed("its boundary occurs inside of the content of a part")),
        }
    }

    fn head(&mut self) -> Result<Option<MultipartEvent>, Error> {
        const END: &[u8] = b"\r\n\r\n";
        let end = memmem::find(&self.buffer, END);
        // If the end is not found, the last three bytes may be its beginning. The result must not depend on
        // the pieces.
        let len = end.unwrap_or((self.buffer.len() + 1).saturating_sub(END.len()));
        if len > self.head_bytes_max {
            let detail = format!("the head of a part of the form is longer than {} bytes", self.head_bytes_max);
            return Err(refused(StatusCode::PAYLOAD_TOO_LARGE, detail));
        }
        let Some(end) = end else { return Ok(None) };
        let head = self.buffer.split_to(end + 2);
        self.stage = Stage::Start;
        PartHead::parse(&head).map(|head| Some(MultipartEvent::Part(head)))
    }

    fn start(&mut self) -> Option<MultipartEvent> {
        // Some clients write only one line break between the head of an empty part and the boundary.
        let shared = self.delimiter.len().min(self.buffer.len());
        if self.buffer[..shared] == self.delimiter[..shared] {
            if shared == self.delimiter.len() {
                self.pass_delimiter();
                return Some(MultipartEvent::End);
            }
            return None;
        }
        drop(self.buffer.split_to(2));
        self.stage = Stage::Data;
        None
    }

    fn data(&mut self) -> Option<MultipartEvent> {
        match memmem::find(&self.buffer, &self.delimiter) {
            Some(0) => {
                self.pass_delimiter();
                Some(MultipartEvent::End)
            }
            Some(at) => Some(MultipartEvent::Data(self.buffer.split_to(at))),
            None => {
                let data = self.buffer.split_to(self.buffer.len() - self.undecided());
                (!data.is_empty()).then_some(MultipartEvent::Data(data))
            }
        }
    }

    /// Returns how many bytes at the end may be the beginning of a boundary, which has only one carriage
    /// return: its first byte.
    fn undecided(&self) -> usize {
        let tail = &self.buffer[self.buffer.len().saturating_sub(self.delimiter.len() - 1)..];
        let last = memchr::memrchr(b'\r', tail).map_or(&[][..], |at| &tail[at..]);
        if self.delimiter.starts_with(last) { last.len() } else { 0 }
    }

    fn pass_delimiter(&mut self) {
        drop(self.buffer.split_to(self.delimiter.len()));
        self.skipped = 0;
        self.stage = Stage::Delimiter;
    }

    /// Drops bytes without a meaning. Limited, because clients send few of them.
    fn skip(&mut self, bytes: usize) -> Result<(), Error> {
        self.skipped += bytes;
        drop(self.buffer.split_to(bytes));
        match self.skipped > self.head_bytes_max {
            true => Err(malformed("it does not begin with the boundary of its Content-Type")),
            false => Ok(()),
        }
    }
}

fn boundary(content_type: &HeaderValue) -> Option<String> {
    let text = content_type.to_str().ok()?;
    let (_, parameters) = text.split_at(text.find(';')?);
    let parameters = crate::form::part_head::parameters(parameters)?;
    parameters.into_iter().find(|(name, _)| name == "boundary").map(|(_, value)| value)
}
