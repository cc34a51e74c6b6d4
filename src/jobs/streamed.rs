//! `Streamed`: the pieces that a worker sends, as the body of a response.
//!
//! If the client reads slowly, the task of `handover.rs` takes the pieces over. The body is checked against
//! the length in its head. Invariant: when the client disconnects, this value is dropped, which cancels the
//! job.
use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use pixie_core::BoxError;
use tokio::task::AbortHandle;

use crate::{
    jobs::handover::{self, Handover, Reply},
    table::{backlog::Backlogs, pools::PoolSlot},
};

/// A response that a worker is still sending.
pub(crate) struct Streamed {
    handover: Arc<Handover>,
    /// Takes the pieces over from a slow client.
    task: AbortHandle,
    /// The rest of the announced length, if a length was announced.
    left: Option<u64>,
    /// The piece that completes the announced length. It is kept until the worker has ended the reply.
    /// Otherwise the handler would be stopped as soon as the client has everything.
    last: Option<Bytes>,
}

impl Drop for Streamed {
    fn drop(&mut self) {
        self.task.abort();
        self.handover.cancel();
    }
}

impl Streamed {
    /// Returns the body of a response. `length` is the length in its head.
    pub(crate) fn new(reply: Reply, length: Option<u64>, backlogs: &Arc<Backlogs>, slot: Arc<PoolSlot>) -> Streamed {
        let handover = Handover::new(reply);
        let task = tokio::spawn(handover::run(handover.clone(), backlogs.begin(), slot)).abort_handle();
        Streamed { handover, task, left: length, last: None }
    }

    /// Returns the body of a response to HEAD. The client is still connected, so the job is not canceled. It
    /// ends at its next write, or after the idle timeout of the stream.
    pub(crate) fn into_length(self) -> LengthOnly {
        let length = LengthOnly::of(&self);
        tokio::spawn(self.drain());
        length
    }

    async fn drain(self) {
        while let Some(Ok(_)) = poll_fn(|cx| self.handover.poll_next(cx)).await {}
    }

    /// Checks a piece against the announced length. Returns `None` for the piece that completes it.
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

    /// Ends the body. Returns an error if its length differs from the announced one.
    fn end(&mut self) -> Option<Result<Frame<Bytes>, BoxError>> {
        match self.left.take() {
            Some(1..) => Some(Err("the worker sent less than it announced".into())),
            _ => self.last.take().map(|piece| Ok(Frame::data(piece))),
        }
    }
}

/// The body of a response to HEAD: only its length, if it is known.
pub(crate) struct LengthOnly(SizeHint);

impl LengthOnly {
    /// Returns the length of a body.
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
        loop {
            let Some(piece) = ready!(self.handover.poll_next(cx)) else { return Poll::Ready(self.end()) };
            match piece.and_then(|piece| self.measured(piece)) {
                Ok(None) => {}
                Ok(Some(piece)) => return Poll::Ready(Some(Ok(Frame::data(piece)))),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        let last = self.last.as_ref().map_or(0, Bytes::len) as u64;
        self.left.map_or_else(SizeHint::default, |left| SizeHint::with_exact(left + last))
    }
}
