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
    waiting: Waiting,
}

impl ReplyStream {
    /// Returns the next piece, `None` at the end.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        if self.waiting.is_over {
            return Poll::Ready(None);
        }
        if let Err(error) = self.waiting.pump(cx) {
            return Poll::Ready(Some(Err(error)));
        }
        let next = self.waiting.job.poll_piece(cx);
        if matches!(next, Poll::Ready(None | Some(Err(_)))) {
            self.waiting.is_over = true;
        }
        next
    }
}

impl ReplyStream {
    async fn collect(mut self) -> Result<Bytes, Error> {
        // The start of the pool has checked this limit.
        let limit = self.waiting.queue.config.collect_limit.bytes().unwrap_or(0);
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
}

impl fmt::Debug for ReplyStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyStream").finish_non_exhaustive()
    }
}

/// One job, as its submitter sees it.
struct Waiting {
    queue: Arc<Queue>,
    job: Arc<JobState>,
    upload: Option<Upload>,
    is_over: bool,
}

impl Waiting {
    fn pump(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        if let Some(upload) = &mut self.upload {
            match upload.pump(cx, &self.job) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => self.upload = None,
                Poll::Ready(Err(error)) => {
                    self.upload = None;
                    return Err(Error::Body(error));
                }
            }
        }
        Ok(())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.is_over {
            self.queue.cancel(&self.job);
        }
    }
}

/// The future of a submission.
pub(crate) struct Pending {
    waiting: Option<Waiting>,
    is_entered: bool,
}

impl Pending {
    pub(crate) fn new(queue: Arc<Queue>, job: Arc<JobState>, upload: Option<Upload>) -> Self {
        // A job can be canceled only after it has entered the pool.
        Pending { waiting: Some(Waiting { queue, job, upload, is_over: true }), is_entered: false }
    }

    /// Gives the job to the pool.
    fn enter(waiting: &mut Waiting, cx: &Context<'_>) -> Result<(), Error> {
        waiting.job.set_waker(cx.waker());
        waiting.queue.submit(&waiting.job)?;
        waiting.is_over = false;
        Ok(())
    }
}

impl Future for Pending {
    type Output = Result<Reply, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let is_entered = std::mem::replace(&mut self.is_entered, true);
        let waiting = self.waiting.as_mut().expect("a future is not polled after its end");
        if !is_entered {
            Pending::enter(waiting, cx)?;
            if waiting.upload.is_none() {
                // The waker was set before the job was sent, so the reply cannot be missed.
                return Poll::Pending;
            }
        }
        waiting.pump(cx)?;
        let Poll::Ready(taken) = waiting.job.poll_reply(cx) else {
            return Poll::Pending;
        };
        let ReplyStart { answer, worker, pid } = taken.inspect_err(|_| waiting.is_over = true)?;
        let body = if answer.complete {
            waiting.is_over = true;
            ReplyBody::Full(answer.body)
        } else {
            let waiting = self.waiting.take().expect("it was there a moment ago");
            ReplyBody::Stream(ReplyStream { waiting })
        };
        Poll::Ready(Ok(Reply { head: answer.head, body, worker, pid }))
    }
}
