//! `Writer` and `Pieces`: bodies that a stream route sends piece by piece, from a writer or from an iterator.
//!
//! The head goes out with the first piece. Where the pieces go, and how long a write waits for a slow client, is the
//! business of the [`PieceSink`] behind the writer.
use std::io::{self, Write};

use bytes::Bytes;

use crate::{Body, Error, Response};

/// Where a writer's pieces go: to a client through the worker's connection, or into a test's buffer.
pub trait PieceSink {
    /// Sends the head: status and headers of this response.
    fn start(&mut self, head: &Response) -> io::Result<()>;

    /// Sends one piece, and waits while the client is slow; fails with `BrokenPipe` once the client has gone.
    fn write(&mut self, piece: &[u8]) -> io::Result<()>;

    /// Says whether the client has gone.
    fn is_closed(&self) -> bool;
}

/// Writes a streamed response: an argument of a stream route's handler.
pub struct Writer<'s> {
    head: Option<Response>,
    sink: &'s mut (dyn PieceSink + 's),
}

impl<'s> Writer<'s> {
    /// Makes a writer over a sink; until `set_head` the head is a 200 with `text/plain`.
    pub fn new(sink: &'s mut (dyn PieceSink + 's)) -> Writer<'s> {
        let head = Response::new(Body::empty()).content_type("text/plain; charset=utf-8");
        Writer { head: Some(head), sink }
    }

    /// Sets status and headers; its body is not used. Fails once the first piece is out.
    pub fn set_head(&mut self, head: Response) -> io::Result<()> {
        match &mut self.head {
            Some(unsent) => {
                *unsent = head;
                Ok(())
            }
            None => Err(io::Error::other("the head of a stream is sent with its first piece: set it before")),
        }
    }

    /// Sends one piece, which the client sees at once. The answer to HEAD is over with its head: then this fails as if the client
    /// had gone.
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

    /// Says whether the head is on its way: a failure can then only cut the stream.
    pub fn is_started(&self) -> bool {
        self.head.is_none()
    }

    /// Says whether the client has gone, so that nobody reads what would be written.
    pub fn is_closed(&self) -> bool {
        self.sink.is_closed()
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

/// The pieces of a streamed body with the head that goes before them.
pub struct Pieces {
    head: Response,
    pieces: Box<dyn Iterator<Item = Bytes>>,
}

impl Pieces {
    /// Makes a 200 `text/plain` stream of an iterator's pieces.
    pub fn new<I>(pieces: I) -> Pieces
    where
        I: IntoIterator<Item: Into<Bytes>, IntoIter: 'static>,
    {
        let head = Response::new(Body::empty()).content_type("text/plain; charset=utf-8");
        let mut pieces = pieces.into_iter();
        Pieces { head, pieces: Box::new(std::iter::from_fn(move || pieces.next().map(Into::into))) }
    }

    /// Replaces status and headers.
    pub fn head(mut self, head: Response) -> Pieces {
        self.head = head;
        self
    }

    /// Sets the `Content-Type`.
    pub fn content_type(mut self, media: &str) -> Pieces {
        self.head = self.head.content_type(media);
        self
    }

    /// Sends all pieces, one after the other; behind a head that stands for a failure there are none.
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

/// What a stream route's handler may return: an iterator of pieces, or [`Pieces`] with a head of their own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be streamed",
    label = "is no iterator of pieces",
    note = "a stream route returns an iterator of text or bytes, `Pieces`, a `Result` of one of them, or takes a `&mut Writer` argument and returns `Result<()>`"
)]
pub trait IntoPieces {
    /// Makes the pieces.
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
