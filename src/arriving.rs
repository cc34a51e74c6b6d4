//! `Arriving`: a request's body that is handed on while it arrives, and refused where `intake.rs` would refuse it.
//!
//! A worker gets it as the body of its job, a blocking thread as the pieces of its reader, an async handler as a stream. Must
//! stay true: it is never whole in memory, and what broke off stays broken, so that no handler takes a part of it for all of it.
use std::{
    fmt, io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use pixie_core::{Body, BodyReader, BoxError, Error, PieceSource, Request, Response};
use pixie_pool::BodyStream;

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

/// A body that its handler reads, shared with the future that waits for the answer.
#[derive(Clone)]
struct Loan(Arc<Mutex<Terms>>);

struct Terms {
    /// `None` once nobody waits for the answer.
    body: Option<Arriving>,
    /// Why the body broke off, if it did.
    refused: Option<Error>,
    /// The reader that waits for the next piece.
    reader: Option<Waker>,
}

impl Loan {
    fn new(body: Arriving) -> Loan {
        Loan(Arc::new(Mutex::new(Terms { body: Some(body), refused: None, reader: None })))
    }

    fn lock(&self) -> MutexGuard<'_, Terms> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the next piece, `None` at the end; what broke off is noted for the answer.
    fn poll_piece(&self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let terms = &mut *self.lock();
        let Some(body) = &mut terms.body else { return Poll::Ready(Some(Err(nobody_waits()))) };
        let next = body.poll_piece(cx);
        terms.reader = next.is_pending().then(|| cx.waker().clone());
        next.map_err(|error| {
            let told = io::Error::other(error.to_string());
            terms.refused.get_or_insert(error);
            told
        })
    }

    fn settle(&self, response: Response) -> Response {
        let refused = self.lock().refused.take();
        refused.map_or(response, Response::from)
    }
}

/// A limited body that an async handler takes as a stream, as whoever waits for the answer sees it.
pub(crate) struct Watched(Loan);

/// Limits the body that an async handler takes as a stream; one that is whole and short enough stays as it is.
pub(crate) fn watch(request: &mut Request, bytes_max: usize) -> Result<Option<Watched>, Error> {
    let arriving = match Arriving::take(request, bytes_max)?.into_whole() {
        Ok(bytes) => {
            request.set_body(Body::from(bytes));
            return Ok(None);
        }
        Err(arriving) => arriving,
    };
    let loan = Loan::new(arriving);
    request.set_body(Body::new(OnRuntime(loan.clone())));
    Ok(Some(Watched(loan)))
}

impl Watched {
    /// Waits for the answer, which a body that broke off decides. The loan goes on: the answer may be made of the body.
    pub(crate) async fn settle(self, answer: impl Future<Output = Response>) -> Response {
        let response = answer.await;
        self.0.settle(response)
    }
}

/// The body as an async handler takes it.
struct OnRuntime(Loan);

impl http_body::Body for OnRuntime {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0.poll_piece(cx).map_ok(Frame::data).map_err(BoxError::from)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().body.as_ref().map_or_else(SizeHint::default, |arriving| arriving.body.size_hint())
    }
}

/// The hold of a request's future on the body that its thread reads: without it the thread's reads fail, and the connection
/// has the body back.
pub(crate) struct Lent(Loan);

/// Lends a request's body to the blocking thread that is about to run its handler.
pub(crate) fn lend(request: &mut Request, bytes_max: usize) -> Result<Lent, Error> {
    let loan = Loan::new(Arriving::take(request, bytes_max)?);
    request.plumbing_mut().reader = Some(Box::new(BodyReader::new(OnThread(loan.clone()))));
    Ok(Lent(loan))
}

impl Lent {
    /// Ends the loan: a body that broke off decides the answer, whatever its handler made of that.
    pub(crate) fn settle(self, response: Response) -> Response {
        self.0.settle(response)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let (body, reader) = {
            let mut terms = self.0.lock();
            (terms.body.take(), terms.reader.take())
        };
        drop(body);
        reader.into_iter().for_each(Waker::wake);
    }
}

/// The body as a blocking thread reads it.
struct OnThread(Loan);

impl PieceSource for OnThread {
    fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
        block_on(|cx| self.0.poll_piece(cx)).transpose()
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
        // The piece that the reader has can still be read, and nothing behind it.
        assert_eq!(reader.read(&mut [0; 50]).ok(), Some(5));
        assert!((0..3).all(|_| reader.read(&mut [0; 5]).is_err()));
    }
}
