//! `BodyReader`: a request's body that a blocking handler reads while it arrives.
//!
//! A [`PieceSource`] gives the pieces, and decides how long a read waits for a slow client. Invariant: the
//! reader holds at most one piece, so memory does not grow with the body.
use std::{
    fmt,
    io::{self, BufRead, Read},
};

use bytes::{Buf, Bytes};

/// Where a reader's pieces come from: a worker's connection, or a client through the server's runtime.
pub trait PieceSource: Send + Sync {
    /// Waits for the next piece and returns it, or `None` at the end.
    ///
    /// # Errors
    ///
    /// Returns an error if the body is incomplete or the client has gone. Every later call returns an error
    /// as well.
    fn next_piece(&mut self) -> io::Result<Option<Bytes>>;
}

/// The body of a request, read while it arrives: an argument of pool, stream and thread routes.
///
/// At most a few hundred KiB are in memory, and a read waits if the client is slow. A read fails if the body
/// is longer than the route's `body_limit`, too slow or incomplete. The response is then 413, 408 or 400,
/// even if the handler returns something else; return the error with `?`. Unread bytes are dropped.
///
/// ```
/// use std::io::{BufRead, Read};
/// use pixie_core::{BodyReader, Result};
/// fn lines(body: BodyReader) -> Result<String> {
///     Ok(format!("{} lines", body.split(b'\n').try_fold(0, |count, line| line.map(|_| count + 1))?))
/// }
/// assert_eq!(lines(BodyReader::from(bytes::Bytes::from("a\nb\n")))?, "2 lines");
/// # Ok::<(), pixie_core::Error>(())
/// ```
#[doc(alias("stream", "upload"))]
#[derive(Default)]
pub struct BodyReader {
    piece: Bytes,
    /// `None` after the end.
    source: Option<Box<dyn PieceSource>>,
}

impl BodyReader {
    /// Returns a reader of the pieces of a source.
    pub fn new(source: impl PieceSource + 'static) -> BodyReader {
        BodyReader { piece: Bytes::new(), source: Some(Box::new(source)) }
    }
}

/// A reader of bytes that are in memory.
impl From<Bytes> for BodyReader {
    fn from(piece: Bytes) -> BodyReader {
        BodyReader { piece, source: None }
    }
}

impl BufRead for BodyReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.piece.is_empty()
            && let Some(source) = &mut self.source
        {
            // The source may use the memory of the last piece again.
            self.piece = Bytes::new();
            match source.next_piece()? {
                Some(piece) => self.piece = piece,
                None => self.source = None,
            }
        }
        Ok(&self.piece)
    }

    fn consume(&mut self, amount: usize) {
        self.piece.advance(amount);
    }
}

impl Read for BodyReader {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if target.is_empty() {
            return Ok(0);
        }
        let count = self.fill_buf()?.len().min(target.len());
        self.piece.copy_to_slice(&mut target[..count]);
        Ok(count)
    }
}

impl fmt::Debug for BodyReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rest = if self.source.is_some() { ", more to come" } else { "" };
        write!(f, "BodyReader({} bytes{rest})", self.piece.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FromRequest, Request};

    /// Gives its pieces. After them, it ends or always fails.
    struct Pieces(Vec<&'static str>, bool);

    impl PieceSource for Pieces {
        fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
            match (self.0.pop(), self.1) {
                (Some(piece), _) => Ok(Some(Bytes::from(piece))),
                (None, true) => Err(io::Error::other("broken off")),
                (None, false) => Ok(None),
            }
        }
    }

    #[test]
    fn pieces_are_read_as_one_body_whatever_their_sizes() {
        let mut reader = BodyReader::new(Pieces(vec!["", "cd\nef", "", "ab", ""], false));
        let mut first = [0; 1];
        reader.read_exact(&mut first).expect("there are bytes");
        let lines: Vec<_> = reader.by_ref().lines().map(|line| line.expect("there are lines")).collect();
        assert_eq!((first, lines), (*b"a", vec!["bcd".to_owned(), "ef".to_owned()]));
        assert_eq!(reader.read(&mut first).expect("it ended well"), 0);
    }

    #[test]
    fn a_body_that_broke_off_never_looks_complete() {
        let mut reader = BodyReader::new(Pieces(vec!["ab"], true));
        let mut read = Vec::new();
        for _ in 0..2 {
            assert_eq!(reader.read_to_end(&mut read).expect_err("it broke off").to_string(), "broken off");
        }
        assert_eq!(read, b"ab");
    }

    #[test]
    fn a_request_without_a_reader_gives_its_whole_body() {
        let mut request = Request::from_http(http::Request::new("whole".into()));
        let text = io::read_to_string(BodyReader::from_request(&mut request).expect("it always can be made"));
        assert_eq!(text.expect("it is in memory"), "whole");
    }
}
