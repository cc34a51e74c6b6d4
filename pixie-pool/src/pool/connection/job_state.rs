//! One job, as its submitter and its connection share it.
//!
//! Owns the received parts of the reply, the submitter's waker and the job's location. Leaves sockets to
//! `connection` and the rules of retries to `attempts`. Invariant: no other lock is taken while this one is
//! held, and a job ends only once.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};

use crate::{
    config::{FINGERPRINT_BYTES_MAX, HELD_AFTER, QUEUED_JOB_BYTES_MAX, WINDOW_BYTES},
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
        encode,
        frame::{JOB_BYTES, ReplyFrame, Start},
        parent::Event,
    },
};

/// The names of a job in logs and snapshots.
#[derive(Clone, Debug)]
pub(crate) struct JobName {
    pub(crate) number: u64,
    pub(crate) label: Arc<str>,
    pub(crate) request_id: Option<Arc<str>>,
    pub(crate) trace_id: Option<Arc<str>>,
}

/// One job. Two values are equal if they are the same job.
#[derive(Debug)]
pub(crate) struct JobState {
    pub(crate) name: JobName,
    pub(crate) head_bytes: usize,
    /// Milliseconds that the job may add to its deadline.
    pub(crate) extension_ms: u32,
    /// For whom the job is.
    pub(crate) client: Option<u64>,
    /// Head and body of a request that is consumed when it is sent, so that a crash can be fingerprinted.
    /// `None` for streamed bodies.
    consumed: Option<(Bytes, Bytes)>,
    has_upload: bool,
    /// Time in the queue, for the metrics.
    pub(crate) queue_wait: QueueWait,
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
    /// Bytes in `pieces`.
    unread: usize,
    /// Since when half a window or more is unread, so that the worker waits, or soon will.
    behind_since: Option<Instant>,
    /// Bytes that the submitter has taken and for which the worker has no credit yet.
    taken: usize,
    end: Option<Result<(), Error>>,
    waker: Option<Waker>,
}

/// Where a job is.
#[derive(Clone, Debug, Default)]
pub(crate) enum Location {
    /// In the pool's queue.
    #[default]
    Queue,
    /// In the queue that all workers read, with this stream number.
    Shared(u32),
    /// Sent on a connection, or claimed by its worker, with this stream number.
    Worker(Arc<Connection>, u32),
    Over,
}

/// The start of a reply and the worker that sent it.
#[derive(Debug)]
pub(crate) struct ReplyStart {
    pub(crate) answer: ReplyFrame,
    pub(crate) worker: usize,
    pub(crate) pid: u32,
    pub(crate) started: Instant,
}

impl PartialEq for JobState {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl JobState {
    pub(crate) fn new(name: JobName, deadline: Option<Duration>, request: Start, is_replayable: bool) -> Self {
        let has_upload = !request.complete;
        let is_replayable = is_replayable && !has_upload;
        let head_bytes = request.head.len();
        let extension_ms = request.extension_ms;
        let attempts = Attempts::new(deadline, is_replayable);
        let progress = Progress { request: Some(request), attempts, ..Progress::default() };
        JobState {
            name,
            head_bytes,
            extension_ms,
            client: None,
            consumed: None,
            has_upload,
            queue_wait: QueueWait::begin(),
            progress: Mutex::new(progress),
        }
    }

    /// Keeps the whole body, of which the request has only the beginning, for the fingerprint.
    pub(crate) fn remember(&mut self, body: &Bytes) {
        let progress = self.progress.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.consumed = progress.request.as_ref().map(|request| (request.head.clone(), body.clone()));
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Encodes the message for the queue that all workers read: the job, or its ticket if it is too large.
    /// Returns whether it is a ticket, and the time that the job may run; `None` if the job has ended or is
    /// canceled.
    pub(crate) fn enqueue(
        &self,
        now: Instant,
        stream: u32,
        message: &mut BytesMut,
    ) -> Option<(bool, Option<Duration>)> {
        let mut progress = self.progress();
        if progress.is_closed() {
            return None;
        }
        let left = progress.attempts.left(now);
        let request = progress.request.as_mut()?;
        request.deadline_ms = milliseconds(left);
        let bytes = JOB_BYTES + request.head.len() + request.body.len();
        let is_ticket = self.has_upload || bytes > QUEUED_JOB_BYTES_MAX;
        if is_ticket {
            encode::put_ticket(message, stream, self.name.number);
        } else {
            encode::put_job(message, stream, request);
        }
        progress.location = Location::Shared(stream);
        Some((is_ticket, left))
    }

    /// Takes the job back from that socket; false if it has ended or is canceled.
    pub(crate) fn leave_queue(&self) -> bool {
        let mut progress = self.progress();
        if progress.is_closed() {
            return false;
        }
        progress.location = Location::Queue;
        true
    }

    /// Notes that a worker has claimed the job; returns its deadline.
    pub(crate) fn claimed(&self, by: &Arc<Connection>, stream: u32, at: Instant) -> Option<Instant> {
        let mut progress = self.progress();
        if !progress.is_over() {
            progress.location = Location::Worker(Arc::clone(by), stream);
        }
        progress.attempts.start(at)
    }

    /// Returns the request for the worker that has claimed the job's ticket; `None` if the job has ended
    /// or is canceled.
    pub(crate) fn fetch(&self, now: Instant) -> Option<Start> {
        let mut progress = self.progress();
        let start = self.take_request(&mut progress, now)?;
        if self.has_upload {
            wake(progress);
        }
        Some(start)
    }

    /// Notes the connection before the job is sent, so that a part of the reply cannot arrive earlier.
    ///
    /// Returns the frame to send and the deadline; `None` if the job has ended or is canceled.
    pub(crate) fn dispatch(&self, now: Instant, to: &Arc<Connection>, stream: u32) -> Option<(Start, Option<Instant>)> {
        let mut progress = self.progress();
        let start = self.take_request(&mut progress, now)?;
        let deadline = progress.attempts.start(now);
        progress.location = Location::Worker(Arc::clone(to), stream);
        if self.has_upload {
            wake(progress);
        }
        Some((start, deadline))
    }

    fn take_request(&self, progress: &mut Progress, now: Instant) -> Option<Start> {
        if progress.is_closed() {
            return None;
        }
        let mut start = if self.has_upload { progress.request.take() } else { progress.request.clone() }?;
        start.deadline_ms = milliseconds(progress.attempts.left(now));
        Some(start)
    }

    /// Decides what happens to the job after its worker's exit, and takes it back if it can be sent again.
    ///
    /// `unsent` is the request if the socket refused it.
    pub(crate) fn after_exit(&self, unsent: Option<Start>, is_refused: bool, now: Instant) -> Continuation {
        let mut progress = self.progress();
        let was_started = unsent.is_none();
        progress.request = unsent.or(progress.request.take());
        if progress.is_closed() || progress.request.is_none() || progress.has_head {
            return Continuation::Fail;
        }
        let continuation = progress.attempts.after_exit(was_started, is_refused, now);
        if continuation != Continuation::Fail {
            progress.location = Location::Queue;
        }
        continuation
    }

    /// Returns the hash of label, head and body; `None` for a streamed body.
    pub(crate) fn fingerprint(&self, hasher: &RandomState) -> Option<u64> {
        if let Some((head, body)) = &self.consumed {
            return Some(fingerprint(hasher, &self.name.label, head, body));
        }
        let progress = self.progress();
        let request = progress.request.as_ref().filter(|request| request.complete)?;
        Some(fingerprint(hasher, &self.name.label, &request.head, &request.body))
    }

    /// Returns the connection that the job was sent on; before that, returns `None` and wakes `waker` later.
    pub(crate) fn connection(&self, waker: &Waker) -> Option<(Arc<Connection>, u32)> {
        let mut progress = self.progress();
        progress.waker = Some(waker.clone());
        progress.location.worker()
    }

    /// Notes that the submitter has gone; returns where the job is.
    pub(crate) fn cancel(&self) -> Location {
        let mut progress = self.progress();
        progress.is_canceled = true;
        progress.waker = None;
        progress.pieces = ReplyPieces::default();
        progress.location.clone()
    }

    /// Takes in an event of the worker, unless the job has ended.
    pub(crate) fn deliver(&self, event: Event, worker: usize, pid: u32, started: Instant) {
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
                    progress.push(std::mem::take(&mut answer.body));
                }
                progress.reply = Some(Ok(ReplyStart { answer, worker, pid, started }));
            }
            Event::Data(piece) => {
                if !progress.is_canceled {
                    progress.push(piece);
                }
            }
            Event::End => progress.end = Some(Ok(())),
            Event::Failed(failure) => progress.fail(failure.into()),
            Event::Room
            | Event::Extended(_)
            | Event::Gone
            | Event::Greeted
            | Event::Ready
            | Event::Fetch
            | Event::Call(_)
            | Event::Late => {}
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

    /// Returns for how long the worker has waited for the submitter to read.
    pub(crate) fn held_for(&self) -> Option<Duration> {
        let since = self.progress().behind_since?;
        Some(since.elapsed()).filter(|time| *time >= HELD_AFTER)
    }

    pub(crate) fn is_canceled(&self) -> bool {
        self.progress().is_canceled
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
        progress.unread -= piece.len();
        if progress.unread < WINDOW_BYTES / 2 {
            progress.behind_since = None;
        }
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
            Location::Queue | Location::Shared(_) | Location::Over => None,
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

    fn push(&mut self, piece: Bytes) {
        self.unread += piece.len();
        if self.unread >= WINDOW_BYTES / 2 {
            self.behind_since.get_or_insert_with(Instant::now);
        }
        self.pieces.push(piece);
    }

    fn fail(&mut self, error: Error) {
        if self.has_head {
            self.end.get_or_insert(Err(error));
        } else {
            self.reply.get_or_insert(Err(error));
        }
    }
}

/// Returns a time limit as the protocol has it: 0 means no limit.
fn milliseconds(time: Option<Duration>) -> u32 {
    time.map_or(0, |time| u32::try_from(time.as_millis()).unwrap_or(u32::MAX).max(1))
}

fn fingerprint(hasher: &RandomState, label: &str, head: &[u8], body: &[u8]) -> u64 {
    let part = body.len().min(FINGERPRINT_BYTES_MAX / 2);
    let (start, end) = (&body[..part], &body[part.max(body.len() - part)..]);
    hasher.hash_one((label, head, body.len(), start, end))
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
