//! The reply to a job: a head, and a body at once or in pieces.
//!
//! Owns the reading side of a reply and the future of a submission. Leaves the state that both ends share to
//! the pool. Invariant: dropping either before its end cancels the job.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use bytes::{Bytes, BytesMut};

use crate::{
    error::Error,
    pool::{
        connection::{JobState, ReplyStart, Upload},
        queue::Queue,
    },
};

/// The reply to a job.
#[derive(Debug)]
#[non_exhaustive]
pub struct Reply {
    /// The head, as the handler sent it.
    pub head: Bytes,
    /// The body.
    pub body: ReplyBody,
    /// The number of the worker that replied.
    pub worker: usize,
    /// The process id of that worker.
    pub pid: u32,
    /// When that worker started the job.
    pub started: Instant,
}

/// The body of a reply.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReplyBody {
    /// The whole body.
    Full(Bytes),
    /// Pieces that are still arriving; the worker waits while they are not read.
    Stream(ReplyStream),
}

impl ReplyBody {
    /// Returns the next piece, `None` at the end.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        match self {
            ReplyBody::Full(bytes) if bytes.is_empty() => Poll::Ready(None),
            ReplyBody::Full(bytes) => Poll::Ready(Some(Ok(std::mem::take(bytes)))),
            ReplyBody::Stream(stream) => stream.poll_next(cx),
        }
    }

    /// Reads the whole body into memory.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::TooLarge`] if the body is larger than
    /// [`Config::collect_limit`](crate::Config::collect_limit).
    pub async fn collect(self) -> Result<Bytes, Error> {
        match self {
            ReplyBody::Full(bytes) => Ok(bytes),
            ReplyBody::Stream(stream) => stream.collect().await,
        }
    }
}

/// A body that is still arriving.
pub struct ReplyStream {
    queue: Arc<Queue>,
    job: Arc<JobState>,
    upload: Option<Upload>,
    is_over: bool,
}

impl ReplyStream {
    /// Returns the next piece, `None` at the end.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        if let Err(error) = self.pump(cx) {
            return Poll::Ready(Some(Err(error)));
        }
        let next = self.job.poll_piece(cx);
        if matches!(next, Poll::Ready(None | Some(Err(_)))) {
            self.is_over = true;
        }
        next
    }

    async fn collect(mut self) -> Result<Bytes, Error> {
        // The start of the pool has checked this limit.
        let limit = self.queue.config.collect_limit.bytes().unwrap_or(0);
        let mut all = BytesMut::new();
        while let Some(piece) = poll_fn(|cx| self.poll_next(cx)).await {
            let piece = piece?;
            if (all.len() + piece.len()) as u64 > limit {
                return Err(Error::TooLarge { limit });
            }
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }

    /// Sends more of the job's body.
    fn pump(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        if let Some(upload) = &mut self.upload
            && let Poll::Ready(sent) = upload.pump(cx, &self.job)
        {
            self.upload = None;
            sent.map_err(Error::Body)?;
        }
        Ok(())
    }
}

impl fmt::Debug for ReplyStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyStream").finish_non_exhaustive()
    }
}

impl Drop for ReplyStream {
    fn drop(&mut self) {
        if !self.is_over {
            self.queue.cancel(&self.job);
        }
    }
}

/// The future of a submission.
pub(crate) struct Pending {
    waiting: Option<ReplyStream>,
    is_entered: bool,
}

impl Pending {
    pub(crate) fn new(queue: Arc<Queue>, job: Arc<JobState>, upload: Option<Upload>) -> Self {
        // A job can be canceled only after it has entered the pool.
        Pending { waiting: Some(ReplyStream { queue, job, upload, is_over: true }), is_entered: false }
    }
}

impl Future for Pending {
    type Output = Result<Reply, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Pending { waiting: place, is_entered } = &mut *self;
        let waiting = place.as_mut().expect("a future is not polled after its end");
        if !std::mem::replace(is_entered, true) {
            waiting.job.set_waker(cx.waker());
            waiting.queue.submit(&waiting.job)?;
            waiting.is_over = false;
            if waiting.upload.is_none() {
                // The waker was set before the job was sent, so the reply cannot be missed.
                return Poll::Pending;
            }
        }
        waiting.pump(cx)?;
        let Poll::Ready(taken) = waiting.job.poll_reply(cx) else {
            return Poll::Pending;
        };
        let ReplyStart { answer, worker, pid, started } = taken.inspect_err(|_| waiting.is_over = true)?;
        let body = if answer.complete {
            waiting.is_over = true;
            ReplyBody::Full(answer.body)
        } else {
            ReplyBody::Stream(place.take().expect("it was there a moment ago"))
        };
        Poll::Ready(Ok(Reply { head: answer.head, body, worker, pid, started }))
    }
}
