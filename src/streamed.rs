//! `Streamed`: the pieces that a worker sends, as the body of a response.
//!
//! The worker is held back while the client does not read. What the answer's head announced is believed only as far as the
//! pieces bear it out. Must stay true: a client that leaves drops this, which cancels the job.
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use pixie_core::{BoxError, Parts};
use pixie_pool::ReplyStream;

/// An answer that still arrives from its worker.
pub(crate) struct Streamed {
    stream: ReplyStream,
    /// What is left of the announced length, if there is one.
    left: Option<u64>,
    /// The piece that completes the announced length: kept until the worker has ended the answer, or its handler would be
    /// stopped as soon as the client has everything.
    last: Option<Bytes>,
    /// Why the answer ends too early: kept for one turn, so that what came before still goes out.
    broken: Option<BoxError>,
    /// The worker may still read the files of a form.
    _parts: Option<Parts>,
}

impl Streamed {
    /// Makes the body of an answer, of the length that its head has announced if it has.
    pub(crate) fn new(stream: ReplyStream, length: Option<u64>, parts: Option<Parts>) -> Streamed {
        Streamed { stream, left: length, last: None, broken: None, _parts: parts }
    }

    /// Checks a piece against the announced length; nothing comes out of the one that completes it.
    fn measured(&mut self, piece: Bytes) -> Result<Option<Bytes>, BoxError> {
        let Some(left) = self.left else { return Ok(Some(piece)) };
        let Some(left) = left.checked_sub(piece.len() as u64) else {
            self.last = None;
            return Err("the worker sent more than it announced".into());
        };
        self.left = Some(left);
        if left > 0 {
            return Ok(Some(piece));
        }
        self.last = Some(piece);
        Ok(None)
    }

    /// Ends the body, which has to have the announced length.
    fn end(&mut self) -> Option<Result<Frame<Bytes>, BoxError>> {
        match self.left.take() {
            Some(1..) => Some(Err("the worker sent less than it announced".into())),
            _ => self.last.take().map(|piece| Ok(Frame::data(piece))),
        }
    }
}

impl http_body::Body for Streamed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let next = loop {
            let Some(piece) = ready!(self.stream.poll_next(cx)) else { break self.end() };
            match piece.map_err(BoxError::from).and_then(|piece| self.measured(piece)) {
                Ok(None) => {}
                Ok(Some(piece)) => break Some(Ok(Frame::data(piece))),
                Err(error) => break Some(Err(error)),
            }
        };
        if let Some(Err(error)) = next {
            // The server writes what it has only when nothing more is there, and nothing at all once there is an error.
            self.broken = Some(error);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(next)
    }

    fn size_hint(&self) -> SizeHint {
        let last = self.last.as_ref().map_or(0, Bytes::len) as u64;
        self.left.map_or_else(SizeHint::default, |left| SizeHint::with_exact(left + last))
    }
}
