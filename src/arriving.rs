//! `Arriving`: a request's body that is handed on while it arrives, and refused where `intake.rs` would refuse it.
//!
//! A worker gets it as the body of its job, a blocking thread as the pieces of its reader. Must stay true: it is never whole
//! in memory, and what broke off stays broken, so that no handler takes a part of it for all of it.
use std::{
    convert::Infallible,
    fmt, io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::Body as _;
use pixie_core::{Body, BodyReader, Error, PieceSource, Request, Response};
use pixie_pool::BodyStream;
use tokio::sync::oneshot;

use crate::{block_on::block_on, intake};

/// A body on its way from a client to a handler.
pub(crate) struct Arriving {
    body: Body,
    /// Bytes that may still come.
    room: usize,
    bytes_max: usize,
    is_broken: bool,
}

impl Arriving {
    /// Takes the body off a request; one that is announced as too long is refused before a byte of it is read.
    pub(crate) fn take(request: &mut Request, bytes_max: usize) -> Result<Arriving, Error> {
        intake::check_announced(request, bytes_max)?;
        Ok(Arriving { body: request.take_body(), room: bytes_max, bytes_max, is_broken: false })
    }

    /// Gives the body if it is whole already, which spares a short one the way in pieces.
    pub(crate) fn into_whole(mut self) -> Result<Bytes, Arriving> {
        if self.body.as_bytes().is_none_or(|bytes| bytes.len() > self.room) {
            return Err(self);
        }
        match self.body.into_bytes() {
            Ok(bytes) => Ok(bytes),
            Err(body) => {
                self.body = body;
                Err(self)
            }
        }
    }

    /// Returns the next piece, `None` at the end, or the error that the request is answered with.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        if self.is_broken {
            return Poll::Ready(Some(Err(intake::unreadable("it broke off before".into()))));
        }
        let piece = loop {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => break Err(intake::unreadable(error)),
                // Trailers are not part of the content.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(piece) => break self.measured(piece),
                    Err(_) => continue,
                },
            }
        };
        self.is_broken = piece.is_err();
        Poll::Ready(Some(piece))
    }

    fn measured(&mut self, piece: Bytes) -> Result<Bytes, Error> {
        self.room = self.room.checked_sub(piece.len()).ok_or_else(|| intake::too_large(self.bytes_max))?;
        Ok(piece)
    }
}

impl BodyStream for Arriving {
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        self.poll_piece(cx).map(|piece| piece.map(|piece| piece.map_err(|error| io::Error::other(Refused(error)))))
    }
}

/// What a request is answered with whose body broke off, on its way through a pool.
#[derive(Debug)]
struct Refused(Error);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Refused {}

/// Returns the error that a request is answered with whose body came to a pool and broke off.
pub(crate) fn refusal(error: io::Error) -> Error {
    match error.downcast() {
        Ok(Refused(error)) => error,
        Err(error) => intake::unreadable(error.into()),
    }
}

/// The hold of a request's future on the body that its thread reads: without it the thread's reads fail.
pub(crate) struct Lent {
    refused: Slot,
    _waiting: oneshot::Sender<Infallible>,
}

/// Why the body broke off, if it did.
#[derive(Clone, Default)]
struct Slot(Arc<Mutex<Option<Error>>>);

/// Lends a request's body to the blocking thread that is about to run its handler.
pub(crate) fn lend(request: &mut Request, bytes_max: usize) -> Result<Lent, Error> {
    let arriving = Arriving::take(request, bytes_max)?;
    let (_waiting, over) = oneshot::channel();
    let lent = Lent { refused: Slot::default(), _waiting };
    request.set_reader(BodyReader::new(OnThread { arriving, over: Some(over), refused: lent.refused.clone() }));
    Ok(lent)
}

impl Lent {
    /// Ends the loan: a body that broke off decides the answer, whatever its handler made of that.
    pub(crate) fn settle(self, response: Response) -> Response {
        let refused = self.refused.lock().take();
        refused.map_or(response, Response::from)
    }
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Option<Error>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The body as a blocking thread reads it.
struct OnThread {
    arriving: Arriving,
    /// Ready, and then `None`, once nobody waits for the answer.
    over: Option<oneshot::Receiver<Infallible>>,
    refused: Slot,
}

impl PieceSource for OnThread {
    fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
        let next = block_on(|cx| match self.over.as_mut().map(|over| Pin::new(over).poll(cx)) {
            Some(Poll::Pending) => self.arriving.poll_piece(cx).map(Ok),
            Some(Poll::Ready(_)) | None => {
                self.over = None;
                Poll::Ready(Err(nobody_waits()))
            }
        })?;
        next.transpose().map_err(|error| {
            let told = io::Error::other(error.to_string());
            self.refused.lock().get_or_insert(error);
            told
        })
    }
}

fn nobody_waits() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "nobody waits for the answer any more")
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use http::{Method, Uri};
    use pixie_core::FromRequest;

    use super::*;

    /// Lends a body of ten bytes, and returns its reader.
    fn lent(bytes_max: usize) -> (Lent, BodyReader) {
        let mut request = Request::new(Method::POST, Uri::from_static("/"));
        request.set_body(Body::from("0123456789"));
        let lent = lend(&mut request, bytes_max).unwrap_or_else(|error| panic!("{error}"));
        (lent, BodyReader::from_request(&mut request).expect("it has a reader"))
    }

    #[test]
    fn a_body_that_is_too_long_fails_every_read_and_decides_the_answer() {
        let (lent, mut reader) = lent(9);
        let mut read = Vec::new();
        assert!((0..3).all(|_| reader.read_to_end(&mut read).is_err()));
        assert_eq!(lent.settle(Response::new("all is well")).status().as_u16(), 413);
    }

    #[test]
    fn a_body_is_lent_for_as_long_as_somebody_waits_for_the_answer() {
        let (loan, mut reader) = lent(10);
        assert_eq!(reader.read(&mut [0; 5]).ok(), Some(5));
        assert_eq!(loan.settle(Response::new("fine")).status().as_u16(), 200);
        // The piece that is here can still be read, and nothing behind it.
        assert_eq!(reader.read(&mut [0; 50]).ok(), Some(5));
        assert!((0..3).all(|_| reader.read(&mut [0; 5]).is_err()));
    }
}
