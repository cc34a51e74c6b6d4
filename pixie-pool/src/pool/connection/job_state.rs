//! One job, as its submitter and its connection share it.
//!
//! Owns the received parts of the reply, the submitter's waker and the job's location. Leaves sockets to
//! `connection` and the rules of retries to `attempts`. Invariant: no other lock is taken while this one is
//! held, and a job ends only once.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::{
    config::{CHUNK_BYTES_MAX, PIPELINED_HEAD_BYTES_MAX, WINDOW_BYTES},
    error::Error,
    pool::{
        connection::{
            Connection,
            attempts::{Attempts, Continuation},
            pieces::ReplyPieces,
        },
        metrics::QueueWait,
    },
    protocol::{
        frame::{ReplyFrame, Start},
        parent::Event,
    },
};

/// The names of a job in logs and snapshots.
#[derive(Clone, Debug)]
pub(crate) struct JobName {
    pub(crate) number: u64,
    pub(crate) label: Arc<str>,
    pub(crate) request_id: Option<Arc<str>>,
}

/// Fingerprints of jobs, with a random key, so that a client cannot construct a job with the fingerprint of
/// another.
#[derive(Debug, Default)]
pub(crate) struct Fingerprints(RandomState);

impl Fingerprints {
    /// Returns the fingerprint of a job with this label, head and body; only the start of the body counts.
    fn of(&self, label: &str, head: &[u8], body: &[u8]) -> u64 {
        self.0.hash_one((label, head, &body[..body.len().min(CHUNK_BYTES_MAX)]))
    }
}

/// One job. Two values are equal if they are the same job.
#[derive(Debug)]
pub(crate) struct JobState {
    pub(crate) name: JobName,
    pub(crate) head_bytes: usize,
    /// Head and first bytes of a request that is consumed when it is sent, so that a crash can be
    /// fingerprinted. `None` for streamed bodies.
    opening: Option<(Bytes, Bytes)>,
    has_upload: bool,
    /// Time in the queue, for the metrics.
    pub(crate) queue_wait: QueueWait,
    /// Whether the job may share a worker with other jobs. False after a crash, so that the crash of another
    /// job cannot end it.
    may_pipeline: AtomicBool,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    request: Option<Start>,
    location: Location,
    attempts: Attempts,
    is_canceled: bool,
    has_head: bool,
    reply: Option<Result<ReplyStart, Error>>,
    pieces: ReplyPieces,
    /// Bytes that the submitter has taken and for which the worker has no credit yet.
    taken: usize,
    end: Option<Result<(), Error>>,
    waker: Option<Waker>,
}

#[derive(Debug, Default)]
enum Location {
    /// In the queue.
    #[default]
    Queue,
    /// Sent on a connection, with this stream number.
    Worker(Arc<Connection>, u32),
    Over,
}

/// The start of a reply and the worker that sent it.
#[derive(Debug)]
pub(crate) struct ReplyStart {
    pub(crate) answer: ReplyFrame,
    pub(crate) worker: usize,
    pub(crate) pid: u32,
}

impl PartialEq for JobState {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl JobState {
    /// Creates a job; `pipelining` is the pool's setting.
    pub(crate) fn new(
        name: JobName,
        deadline: Option<Duration>,
        request: Start,
        is_replayable: bool,
        pipelining: bool,
    ) -> Self {
        let has_upload = !request.complete;
        let is_replayable = is_replayable && !has_upload;
        let head_bytes = request.head.len();
        let is_known = has_upload && !request.body.is_empty();
        let opening = is_known.then(|| (request.head.clone(), request.body.clone()));
        let is_small = request.body.is_empty() && head_bytes <= PIPELINED_HEAD_BYTES_MAX;
        let attempts = Attempts::new(deadline, is_replayable);
        let progress = Progress { request: Some(request), attempts, ..Progress::default() };
        JobState {
            name,
            head_bytes,
            opening,
            has_upload,
            queue_wait: QueueWait::begin(),
            may_pipeline: AtomicBool::new(pipelining && is_replayable && is_small),
            progress: Mutex::new(progress),
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether the job may share a worker with other jobs.
    pub(crate) fn may_pipeline(&self) -> bool {
        self.may_pipeline.load(Ordering::Relaxed)
    }

    /// Notes the connection before the job is sent, so that a part of the reply cannot arrive earlier.
    ///
    /// Returns the frame to send and the deadline; `None` if the job has ended or is canceled.
    pub(crate) fn dispatch(&self, now: Instant, to: &Arc<Connection>, stream: u32) -> Option<(Start, Option<Instant>)> {
        let mut progress = self.progress();
        if progress.is_closed() {
            return None;
        }
        let mut start = if self.has_upload { progress.request.take() } else { progress.request.clone() }?;
        let deadline = progress.attempts.send(now);
        if let Some(at) = deadline {
            start.deadline_ms = u32::try_from(at.saturating_duration_since(now).as_millis()).unwrap_or(u32::MAX).max(1);
        }
        progress.location = Location::Worker(Arc::clone(to), stream);
        if self.has_upload {
            wake(progress);
        }
        Some((start, deadline))
    }

    /// Takes the job back from a worker that returned it unstarted; false if the job has ended or is
    /// canceled.
    pub(crate) fn take_returned(&self) -> bool {
        let mut progress = self.progress();
        if progress.request.is_none() || progress.is_closed() {
            return false;
        }
        progress.location = Location::Queue;
        progress.attempts.leave_unstarted();
        if progress.attempts.has_moved_enough() {
            self.may_pipeline.store(false, Ordering::Relaxed);
        }
        true
    }

    /// Decides what happens to the job after its worker has exited, and takes it back if it can be sent
    /// again.
    ///
    /// `unsent` is the request if the socket refused it.
    pub(crate) fn after_exit(
        &self,
        unsent: Option<Start>,
        was_started: bool,
        is_refused: bool,
        now: Instant,
    ) -> Continuation {
        let mut progress = self.progress();
        let may_move = unsent.is_some() || !was_started;
        progress.request = unsent.or(progress.request.take());
        if progress.is_closed() || progress.request.is_none() || progress.has_head {
            return Continuation::Fail;
        }
        let continuation = progress.attempts.after_exit(may_move, is_refused, now);
        match continuation {
            Continuation::Fail => return continuation,
            Continuation::Retry => self.may_pipeline.store(false, Ordering::Relaxed),
            Continuation::Move if progress.attempts.has_moved_enough() => {
                self.may_pipeline.store(false, Ordering::Relaxed);
            }
            Continuation::Move => {}
        }
        progress.location = Location::Queue;
        continuation
    }

    /// Returns the fingerprint of this job; `None` for a streamed body.
    pub(crate) fn fingerprint(&self, fingerprints: &Fingerprints) -> Option<u64> {
        if let Some((head, body)) = &self.opening {
            return Some(fingerprints.of(&self.name.label, head, body));
        }
        let progress = self.progress();
        let request = progress.request.as_ref().filter(|request| request.complete)?;
        Some(fingerprints.of(&self.name.label, &request.head, &request.body))
    }

    /// Returns the connection that the job was sent on; before the job is sent, returns `None` and wakes
    /// `waker` later.
    pub(crate) fn connection(&self, waker: &Waker) -> Option<(Arc<Connection>, u32)> {
        let mut progress = self.progress();
        progress.waker = Some(waker.clone());
        progress.location.worker()
    }

    /// Notes that the submitter has gone; returns the connection that the job was sent on, if any.
    pub(crate) fn cancel(&self) -> Option<(Arc<Connection>, u32)> {
        let mut progress = self.progress();
        progress.is_canceled = true;
        progress.waker = None;
        progress.pieces = ReplyPieces::default();
        progress.location.worker()
    }

    /// Takes in an event of the worker, unless the job has ended.
    pub(crate) fn deliver(&self, event: Event, worker: usize, pid: u32) {
        let mut progress = self.progress();
        if progress.is_over() {
            return;
        }
        if event.is_last() {
            progress.location = Location::Over;
        }
        match event {
            Event::Reply(mut answer) => {
                progress.has_head = true;
                if !answer.complete && !answer.body.is_empty() {
                    progress.pieces.push(std::mem::take(&mut answer.body));
                }
                progress.reply = Some(Ok(ReplyStart { answer, worker, pid }));
            }
            Event::Data(piece) => {
                if !progress.is_canceled {
                    progress.pieces.push(piece);
                }
            }
            Event::End => progress.end = Some(Ok(())),
            Event::Failed(failure) => progress.fail(failure.into()),
            Event::Room | Event::Extended(_) | Event::Gone | Event::Greeted | Event::Ready | Event::Returned { .. } => {
            }
        }
        wake(progress);
    }

    /// Ends the job with an error, before or after the head of its reply.
    pub(crate) fn fail(&self, error: Error) {
        let mut progress = self.progress();
        progress.location = Location::Over;
        progress.fail(error);
        wake(progress);
    }

    /// Returns whether the submitter has received parts of the reply that it has not taken.
    pub(crate) fn is_reader_behind(&self) -> bool {
        let progress = self.progress();
        progress.reply.is_some() || !progress.pieces.is_empty()
    }

    pub(crate) fn set_waker(&self, waker: &Waker) {
        self.progress().waker = Some(waker.clone());
    }

    pub(crate) fn poll_reply(&self, cx: &Context<'_>) -> Poll<Result<ReplyStart, Error>> {
        let mut progress = self.progress();
        match progress.reply.take() {
            Some(reply) => Poll::Ready(reply),
            None => {
                progress.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Takes the next piece of the reply, and gives the worker credit for more.
    pub(crate) fn poll_piece(&self, cx: &Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let mut progress = self.progress();
        let Some(piece) = progress.pieces.pop() else {
            if let Some(end) = progress.end.take() {
                return Poll::Ready(end.err().map(Err));
            }
            progress.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        progress.taken += piece.len();
        let mut credit = None;
        if progress.taken >= WINDOW_BYTES / 2
            && let Some((connection, stream)) = progress.location.worker()
        {
            credit = Some((connection, stream, std::mem::take(&mut progress.taken)));
        }
        drop(progress);
        if let Some((connection, stream, bytes)) = credit {
            connection.credit(stream, bytes);
        }
        Poll::Ready(Some(Ok(piece)))
    }
}

impl Location {
    fn worker(&self) -> Option<(Arc<Connection>, u32)> {
        match self {
            Location::Worker(connection, stream) => Some((Arc::clone(connection), *stream)),
            Location::Queue | Location::Over => None,
        }
    }
}

impl Progress {
    fn is_over(&self) -> bool {
        matches!(self.location, Location::Over)
    }

    fn is_closed(&self) -> bool {
        self.is_canceled || self.is_over()
    }

    fn fail(&mut self, error: Error) {
        if self.has_head {
            self.end.get_or_insert(Err(error));
        } else {
            self.reply.get_or_insert(Err(error));
        }
    }
}

/// Wakes the submitter after the lock is released, because the submitter takes the lock first.
fn wake(mut progress: MutexGuard<'_, Progress>) {
    let waker = progress.waker.take();
    drop(progress);
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests;
