//! `Streamed`: the pieces that a worker sends, as the body of a response.
//!
//! The worker is held back while the client does not read. What the answer's head announced is believed only as far as the
//! pieces bear it out. Must stay true: a client that leaves drops this, which cancels the job.
use std::{
    future::poll_fn,
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

    /// Makes the body of an answer to HEAD. Its client has not left, so the job is not cancelled: its next write or the stream's
    /// idle clock ends it.
    pub(crate) fn into_length(self) -> LengthOnly {
        let length = LengthOnly::of(&self);
        tokio::spawn(self.drain());
        length
    }

    async fn drain(mut self) {
        while let Some(Ok(_)) = poll_fn(|cx| self.stream.poll_next(cx)).await {}
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

/// What an answer to HEAD has of a body: its length, if that is known.
pub(crate) struct LengthOnly(SizeHint);

impl LengthOnly {
    /// Makes the body that stands for this one.
    pub(crate) fn of(body: &impl http_body::Body) -> LengthOnly {
        LengthOnly(body.size_hint())
    }
}

impl http_body::Body for LengthOnly {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(None)
    }

    fn size_hint(&self) -> SizeHint {
        self.0
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
