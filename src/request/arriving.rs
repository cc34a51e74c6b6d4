//! `Arriving`: passes a request body on while it arrives, with the same limits as `intake.rs`.
//!
//! A worker gets the body as the body of its job, a blocking thread as a reader, and an async handler as a
//! stream. Invariant: the whole body is never in memory. A body that failed stays failed, so that a handler
//! cannot mistake a part for the whole.
use std::{
    fmt,
    future::poll_fn,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use pixie_core::{Body, BodyReader, BoxError, Error, PieceSource, Request, Response};
use pixie_pool::BodyStream;

use crate::{jobs::block_on::block_on, request::intake, table::refusal};

/// Bytes of a body that must have arrived before a job begins, unless the body is shorter. As many as a
/// worker gets with the head of a job.
const FIRST_BYTES: usize = 64 * 1024;

/// A body that is sent from a client to a handler.
pub(crate) struct Arriving {
    body: Body,
    /// Bytes that may still arrive within the limit.
    room: usize,
    bytes_max: usize,
    is_broken: bool,
}

impl Arriving {
    /// Takes the body of a request. Refuses a body whose announced length is above the limit before reading
    /// it.
    pub(crate) fn take(request: &mut Request, bytes_max: usize) -> Result<Arriving, Error> {
        intake::check_head(request, bytes_max)?;
        Ok(Arriving { body: request.take_body(), room: bytes_max, bytes_max, is_broken: false })
    }

    /// Returns the body if it has arrived completely, so that a short body is not sent in pieces.
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

    /// Returns the next piece, `None` at the end, or the error with which to answer the request.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        if self.is_broken {
            return Poll::Ready(Some(Err(refusal::unreadable("an earlier read failed".into()))));
        }
        let piece = match ready!(self.body.poll_data(cx)) {
            None => return Poll::Ready(None),
            Some(Err(error)) => Err(refusal::unreadable(error)),
            Some(Ok(piece)) => self.measured(piece),
        };
        self.is_broken = piece.is_err();
        Poll::Ready(Some(piece))
    }

    fn measured(&mut self, piece: Bytes) -> Result<Bytes, Error> {
        self.room = self.room.checked_sub(piece.len()).ok_or_else(|| refusal::too_large(self.bytes_max))?;
        Ok(piece)
    }
}

/// Waits until a job can begin: until the whole body or its first part has arrived. Returns the body of the
/// job.
///
/// A silent client does not occupy a worker.
pub(crate) async fn for_job(arriving: Arriving) -> Result<pixie_pool::Body, Error> {
    let mut rest = match arriving.into_whole() {
        Ok(bytes) => return Ok(pixie_pool::Body::Full(bytes)),
        Err(arriving) => arriving,
    };
    let mut first = BytesMut::new();
    while first.len() < FIRST_BYTES {
        match poll_fn(|cx| rest.poll_piece(cx)).await {
            Some(piece) => first.extend_from_slice(&piece?),
            None => return Ok(pixie_pool::Body::Full(first.freeze())),
        }
    }
    Ok(pixie_pool::Body::Stream(Box::pin(Begun { first: Some(first.freeze()), rest })))
}

/// A body whose first part has arrived.
struct Begun {
    first: Option<Bytes>,
    rest: Arriving,
}

impl BodyStream for Begun {
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        self.rest.poll_piece(cx).map(|piece| piece.map(|piece| piece.map_err(refusal::into_io)))
    }
}

/// A body that a handler reads, shared with the future that waits for the response.
#[derive(Clone)]
struct Loan(Arc<Mutex<Terms>>);

struct Terms {
    /// `None` after the future has been dropped.
    body: Option<Arriving>,
    /// Why the body failed.
    refused: Option<Error>,
    /// Wakes the reader that waits for the next piece.
    reader: Option<Waker>,
}

impl Loan {
    fn new(body: Arriving) -> Loan {
        Loan(Arc::new(Mutex::new(Terms { body: Some(body), refused: None, reader: None })))
    }

    fn lock(&self) -> MutexGuard<'_, Terms> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the next piece, or `None` at the end. Stores an error for the response.
    fn poll_piece(&self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let terms = &mut *self.lock();
        let Some(body) = &mut terms.body else { return Poll::Ready(Some(Err(has_ended()))) };
        let next = body.poll_piece(cx);
        terms.reader = next.is_pending().then(|| cx.waker().clone());
        next.map_err(|error| {
            let told = io::Error::other(RefusedBody(error.to_string()));
            terms.refused.get_or_insert(error);
            told
        })
    }

    fn settle(&self, response: Response) -> Response {
        let refused = self.lock().refused.take();
        refused.map_or(response, Response::from)
    }
}

/// Why a handler cannot read on. The request was refused, because of its client.
#[derive(Debug)]
pub(crate) struct RefusedBody(pub(crate) String);

impl fmt::Display for RefusedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RefusedBody {}

/// A limited body that an async handler takes as a stream, as seen by the future that waits for the response.
pub(crate) struct Watched(Loan);

/// Limits the body that an async handler takes as a stream. A complete body within the limit is left as it
/// is.
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
    /// Waits for the response. If the body failed, its error replaces the response. The handler keeps the
    /// body, because the response may be made from it.
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

/// Owned by the future of a request whose thread reads the body. When it is dropped, the reads of the thread
/// fail, and the connection gets the body back.
pub(crate) struct Lent(Loan);

/// Lends the body of a request to the blocking thread that will run its handler.
pub(crate) fn lend(request: &mut Request, bytes_max: usize) -> Result<Lent, Error> {
    let loan = Loan::new(Arriving::take(request, bytes_max)?);
    request.plumbing_mut().reader = Some(Box::new(BodyReader::new(OnThread(loan.clone()))));
    Ok(Lent(loan))
}

impl Lent {
    /// Takes the body back. If the body failed, its error replaces the response.
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

fn has_ended() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the request has been answered")
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
        // The reader can still read the piece that it has.
        assert_eq!(reader.read(&mut [0; 50]).ok(), Some(5));
        assert!((0..3).all(|_| reader.read(&mut [0; 5]).is_err()));
    }
}
