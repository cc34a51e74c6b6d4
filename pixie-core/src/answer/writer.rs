//! `Writer` and `Pieces`: bodies that a stream route sends piece by piece, from a writer or from an iterator.
//!
//! The head is sent with the first piece. A [`PieceSink`] takes the pieces, and decides how long a write
//! waits for a slow client.
use std::{
    fmt,
    io::{self, Write},
};

use bytes::Bytes;

use crate::{Body, Error, Response};

/// Takes the pieces of a writer: a worker's connection, or the buffer of a test.
pub trait PieceSink {
    /// Sends the head: status and headers of this response.
    fn start(&mut self, head: &Response) -> io::Result<()>;

    /// Sends one piece, and waits while the client is slow.
    ///
    /// # Errors
    ///
    /// Returns `BrokenPipe` if the client has gone.
    fn write(&mut self, piece: &[u8]) -> io::Result<()>;

    /// Returns whether the client has gone.
    fn is_closed(&self) -> bool;
}

/// Writes a streamed response: an argument of the handler of a stream route.
///
/// ```
/// use std::io::Write;
/// use pixie_core::{Result, Writer};
/// fn count(writer: &mut Writer) -> Result<()> {
///     for number in 0..3 {
///         writeln!(writer, "{number}")?;
///     }
///     Ok(())
/// }
/// ```
pub struct Writer<'s> {
    head: Option<Response>,
    sink: &'s mut (dyn PieceSink + 's),
}

impl<'s> Writer<'s> {
    /// Returns a writer to a sink. The head is a 200 with `text/plain`, unless [`Writer::set_head`] replaces
    /// it.
    pub fn new(sink: &'s mut (dyn PieceSink + 's)) -> Writer<'s> {
        let head = Response::new(Body::empty()).content_type("text/plain; charset=utf-8");
        Writer { head: Some(head), sink }
    }

    /// Sets the status and the headers. The body of `head` is ignored.
    ///
    /// # Errors
    ///
    /// Returns an error if the head was already sent.
    pub fn set_head(&mut self, head: Response) -> io::Result<()> {
        match &mut self.head {
            Some(unsent) => {
                *unsent = head;
                Ok(())
            }
            None => Err(io::Error::other("the head was already sent: set it before the first piece")),
        }
    }

    /// Sends one piece at once.
    ///
    /// # Errors
    ///
    /// Returns `BrokenPipe` if the client has gone. A HEAD request gets only the head, so the first piece
    /// returns this too.
    pub fn send(&mut self, piece: impl AsRef<[u8]>) -> io::Result<()> {
        self.start()?;
        self.sink.write(piece.as_ref())
    }

    /// Sends the head now, without waiting for the first piece.
    pub fn start(&mut self) -> io::Result<()> {
        match self.head.take() {
            Some(head) => self.sink.start(&head),
            None => Ok(()),
        }
    }

    pub(crate) fn is_started(&self) -> bool {
        self.head.is_none()
    }

    /// Returns whether the client has gone.
    pub fn is_closed(&self) -> bool {
        self.sink.is_closed()
    }
}

impl fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("head", &self.head).finish_non_exhaustive()
    }
}

impl Write for Writer<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.send(buf).map(|()| buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.start()
    }
}

/// The pieces of a streamed body, and the head.
///
/// ```
/// use pixie_core::Pieces;
/// fn export() -> Pieces {
///     Pieces::new(["id,name\n", "1,Ada\n"]).content_type("text/csv")
/// }
/// # let _ = export();
/// ```
pub struct Pieces {
    head: Response,
    pieces: Box<dyn Iterator<Item = Bytes>>,
}

impl Pieces {
    /// Returns a 200 `text/plain` stream of the pieces of an iterator.
    pub fn new<I>(pieces: I) -> Pieces
    where
        I: IntoIterator<Item: Into<Bytes>, IntoIter: 'static>,
    {
        let head = Response::new(Body::empty()).content_type("text/plain; charset=utf-8");
        let mut pieces = pieces.into_iter();
        Pieces { head, pieces: Box::new(std::iter::from_fn(move || pieces.next().map(Into::into))) }
    }

    /// Replaces the status and the headers.
    pub fn head(mut self, head: Response) -> Pieces {
        self.head = head;
        self
    }

    /// Sets the `Content-Type`.
    pub fn content_type(mut self, media: &str) -> Pieces {
        self.head = self.head.content_type(media);
        self
    }

    /// Sends the head and all pieces. A failed head is sent without pieces.
    pub fn write_to(self, writer: &mut Writer<'_>) -> Result<(), Error> {
        let is_failed = self.head.error().is_some();
        writer.set_head(self.head)?;
        writer.start()?;
        if is_failed {
            return Ok(());
        }
        for piece in self.pieces {
            writer.send(piece)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pieces").field("head", &self.head).finish_non_exhaustive()
    }
}

/// What the handler of a stream route may return: an iterator of pieces, or [`Pieces`] with their own head.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be streamed",
    label = "not an iterator of pieces",
    note = "a stream route returns an iterator of text or bytes, `Pieces`, a `Result` of one of them, or takes a `&mut Writer` argument and returns `Result<()>`"
)]
pub trait IntoPieces {
    /// Returns the pieces.
    fn into_pieces(self) -> Pieces;
}

#[diagnostic::do_not_recommend]
impl<I> IntoPieces for I
where
    I: Iterator<Item: Into<Bytes>> + 'static,
{
    fn into_pieces(self) -> Pieces {
        Pieces::new(self)
    }
}

impl IntoPieces for Pieces {
    fn into_pieces(self) -> Pieces {
        self
    }
}
