//! `Multipart`: a `multipart/form-data` body cut into its parts (RFC 7578), in whatever pieces it comes.
//!
//! Bytes are pushed in, events come out; nothing here reads, waits or writes. The content of a part is handed on as slices
//! of what was pushed. Must stay true: what is held back is never more than one part's head, or the beginning of what may
//! be a boundary, so memory does not grow with the body; and a body that two parsers could read in two ways is refused.
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, header};
use memchr::memmem;

use crate::{
    Rejection, RejectionKind,
    form::part_head::{PartHead, malformed},
};

/// RFC 2046, section 5.1.1.
const BOUNDARY_BYTES_MAX: usize = 70;

/// Cuts a `multipart/form-data` body into its parts.
#[derive(Debug)]
pub struct Multipart {
    /// Line break, two hyphens and the boundary.
    delimiter: Box<[u8]>,
    head_bytes_max: usize,
    stage: Stage,
    buffer: Bytes,
    /// What the preamble and the white space after a boundary had so far.
    skipped: usize,
}

/// What [`Multipart`] found next.
#[derive(Debug)]
pub enum MultipartEvent {
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
    /// Right behind a boundary.
    Delimiter,
    /// In a part's head, which begins with the line break that ends the boundary's line.
    Head,
    /// In front of a part's content: the line break that ends the head is still there, it may belong to a boundary.
    Start,
    Data,
    /// Behind the last boundary: what follows is ignored.
    Closed,
}

impl Multipart {
    /// Starts with the boundary that the `Content-Type` announces; a part's head may have so many bytes.
    pub fn new(headers: &HeaderMap, head_bytes_max: usize) -> Result<Multipart, Rejection> {
        let boundary = headers.get(header::CONTENT_TYPE).and_then(boundary).filter(|boundary| {
            (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len()) && !boundary.bytes().any(|byte| byte.is_ascii_control())
        });
        let boundary = boundary.ok_or_else(|| malformed("its Content-Type names no boundary"))?;
        Ok(Multipart {
            delimiter: [b"\r\n--", boundary.as_bytes()].concat().into(),
            head_bytes_max,
            stage: Stage::Preamble,
            // So the first boundary, which stands at the very beginning, is found like all others.
            buffer: Bytes::from_static(b"\r\n"),
            skipped: 0,
        })
    }

    /// Adds the next bytes of the body.
    pub fn push(&mut self, piece: Bytes) {
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

    /// Returns what comes next, or nothing until more bytes are pushed.
    pub fn next_event(&mut self) -> Result<Option<MultipartEvent>, Rejection> {
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

    /// Ends the body: it must have had its last boundary.
    pub fn finish(&self) -> Result<(), Rejection> {
        match self.stage {
            Stage::Closed => Ok(()),
            _ => Err(malformed("it ends before its last boundary")),
        }
    }

    fn preamble(&mut self) -> Result<(), Rejection> {
        match memmem::find(&self.buffer, &self.delimiter) {
            Some(at) => {
                self.skip(at)?;
                self.pass_delimiter(0);
            }
            None => {
                let kept = self.undecided();
                self.skip(self.buffer.len() - kept)?;
            }
        }
        Ok(())
    }

    /// Behind a boundary stand two hyphens at the end of the body, else white space and a line break.
    fn delimiter(&mut self) -> Result<(), Rejection> {
        // Hyphens behind white space close nothing, whether both came in one piece or not.
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
            _ => Err(malformed("its boundary stands inside of a part's content")),
        }
    }

    fn head(&mut self) -> Result<Option<MultipartEvent>, Rejection> {
        const END: &[u8] = b"\r\n\r\n";
        let end = memmem::find(&self.buffer, END);
        // Without an end the last three bytes may be its beginning: the pieces in which a head comes must not matter.
        let len = end.unwrap_or((self.buffer.len() + 1).saturating_sub(END.len()));
        if len > self.head_bytes_max {
            let detail =
                format!("the head of a form's part is longer than the {} bytes that are accepted", self.head_bytes_max);
            return Err(Rejection::new(RejectionKind::TooLarge, detail));
        }
        let Some(end) = end else { return Ok(None) };
        let head = self.buffer.split_to(end + 2);
        self.stage = Stage::Start;
        PartHead::parse(&head).map(|head| Some(MultipartEvent::Part(head)))
    }

    fn start(&mut self) -> Option<MultipartEvent> {
        // An empty part may share its line break with the boundary, as some clients write it.
        let shared = self.delimiter.len().min(self.buffer.len());
        if self.buffer[..shared] == self.delimiter[..shared] {
            if shared == self.delimiter.len() {
                self.pass_delimiter(0);
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
                self.pass_delimiter(0);
                Some(MultipartEvent::End)
            }
            Some(at) => Some(MultipartEvent::Data(self.buffer.split_to(at))),
            None => {
                let data = self.buffer.split_to(self.buffer.len() - self.undecided());
                (!data.is_empty()).then_some(MultipartEvent::Data(data))
            }
        }
    }

    /// Returns how many bytes at the end may be the beginning of a boundary. It holds one carriage return, its first byte.
    fn undecided(&self) -> usize {
        let tail = &self.buffer[self.buffer.len().saturating_sub(self.delimiter.len() - 1)..];
        let last = memchr::memrchr(b'\r', tail).map_or(&[][..], |at| &tail[at..]);
        if self.delimiter.starts_with(last) { last.len() } else { 0 }
    }

    fn pass_delimiter(&mut self, at: usize) {
        drop(self.buffer.split_to(at + self.delimiter.len()));
        self.skipped = 0;
        self.stage = Stage::Delimiter;
    }

    /// Drops what has no meaning, of which no client sends much.
    fn skip(&mut self, bytes: usize) -> Result<(), Rejection> {
        self.skipped += bytes;
        drop(self.buffer.split_to(bytes));
        match self.skipped > self.head_bytes_max {
            true => Err(malformed("the boundary that its Content-Type names does not begin it")),
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
