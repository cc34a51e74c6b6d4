//! One job between its submitter and its worker.
//!
//! Owns what has arrived of the answer, who waits for it and where the job is. Leaves bytes on sockets to `link`.
//! Rule: its lock is never held while another one is taken, and a job that is over stays so, whoever learns it last.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::{
    config::{AHEAD_HEAD_BYTES_MAX, MOVES_MAX, WINDOW_BYTES},
    error::Error,
    pool::{connection::pieces::Pieces, connection::socket::Link, metrics::Wait, queue::repeat_crashes::Fingerprints},
    protocol::{
        frame::{Answer, Start},
        parent::Event,
    },
};

/// What a job is known by.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) number: u64,
    pub(crate) label: Arc<str>,
    pub(crate) request_id: Option<Arc<str>>,
}

/// The state that a submitter shares with the pool.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) name: Name,
    pub(crate) deadline: Option<Duration>,
    pub(crate) head_bytes: usize,
    /// What a job that is not kept until its end begins with; a streamed body is not looked into.
    opening: Option<(Bytes, Bytes)>,
    is_replayable: bool,
    has_upload: bool,
    /// How long it waits for a worker, for the metrics.
    pub(crate) wait: Wait,
    /// Whether it may share a worker with others: one that a crash has met must not be met by the crash of another.
    may_share: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    request: Option<Start>,
    place: Place,
    tries: u32,
    /// How often it has left a worker that had not started it.
    moves: u32,
    first_sent: Option<Instant>,
    is_abandoned: bool,
    is_headed: bool,
    answer: Option<Result<Taken, Error>>,
    chunks: Pieces,
    /// Bytes that the submitter has taken and for which the worker got no credit yet.
    taken: usize,
    end: Option<Result<(), Error>>,
    waker: Option<Waker>,
}

#[derive(Debug)]
enum Place {
    Waiting,
    Running(Arc<Link>, u32),
    Over,
}

/// The beginning of an answer and who gave it.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) answer: Answer,
    pub(crate) worker: usize,
    pub(crate) pid: u32,
}

impl Exchange {
    pub(crate) fn new(name: Name, deadline: Option<Duration>, request: Start, is_replayable: bool) -> Self {
        let has_upload = !request.complete;
        let is_replayable = is_replayable && !has_upload;
        let head_bytes = request.head.len();
        let is_known = has_upload && !request.body.is_empty();
        let opening = is_known.then(|| (request.head.clone(), request.body.clone()));
        let is_light = is_replayable && request.body.is_empty() && head_bytes <= AHEAD_HEAD_BYTES_MAX;
        let state = State {
            request: Some(request),
            place: Place::Waiting,
            tries: 0,
            moves: 0,
            first_sent: None,
            is_abandoned: false,
            is_headed: false,
            answer: None,
            chunks: Pieces::default(),
            taken: 0,
            end: None,
            waker: None,
        };
        Exchange {
            name,
            deadline,
            head_bytes,
            opening,
            is_replayable,
            has_upload,
            wait: Wait::begin(),
            may_share: AtomicBool::new(is_light),
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whether the job may be sent ahead behind others, and others behind it.
    pub(crate) fn may_share(&self) -> bool {
        self.may_share.load(Ordering::Relaxed)
    }

    /// Notes where the job goes, before it is sent, so that nothing of the answer can be here earlier.
    ///
    /// Returns what to send and until when it may take; `None` if nobody waits any more.
    pub(crate) fn dispatch(&self, now: Instant, link: &Arc<Link>, stream: u32) -> Option<(Start, Option<Instant>)> {
        let mut state = self.state();
        if state.is_abandoned || state.is_over() {
            return None;
        }
        let mut start = if self.has_upload { state.request.take() } else { state.request.clone() }?;
        let first_sent = *state.first_sent.get_or_insert(now);
        let deadline = self.deadline.map(|d| first_sent + d);
        if let Some(at) = deadline {
            start.deadline_ms = u32::try_from(at.saturating_duration_since(now).as_millis()).unwrap_or(u32::MAX).max(1);
        }
        state.tries += 1;
        state.place = Place::Running(Arc::clone(link), stream);
        if self.has_upload {
            wake(state);
        }
        Some((start, deadline))
    }

    /// Takes the job back from a worker that has not started it; false if nobody waits any more or it cannot be sent again.
    pub(crate) fn move_on(&self, unsent: Option<Start>) -> bool {
        let mut state = self.state();
        if let Some(start) = unsent {
            state.request = Some(start);
        }
        if state.request.is_none() || state.is_abandoned || state.is_over() {
            return false;
        }
        state.place = Place::Waiting;
        state.tries -= 1;
        if state.tries == 0 {
            // It has not begun anywhere, so its time has not either.
            state.first_sent = None;
        }
        state.moves += 1;
        if state.moves >= MOVES_MAX {
            self.may_share.store(false, Ordering::Relaxed);
        }
        true
    }

    /// Returns what this job is known by; nothing for a streamed body.
    pub(crate) fn fingerprint(&self, fingerprints: &Fingerprints) -> Option<u64> {
        if let Some((head, body)) = &self.opening {
            return Some(fingerprints.of(&self.name.label, head, body));
        }
        let state = self.state();
        let request = state.request.as_ref().filter(|request| request.complete)?;
        Some(fingerprints.of(&self.name.label, &request.head, &request.body))
    }

    /// Tells whether it has been moved so often that it is not moved any more.
    pub(crate) fn is_restless(&self) -> bool {
        self.state().moves >= MOVES_MAX
    }

    /// Returns where the job runs, or has `waker` woken when it does.
    pub(crate) fn running(&self, waker: &Waker) -> Option<(Arc<Link>, u32)> {
        let mut state = self.state();
        state.waker = Some(waker.clone());
        match &state.place {
            Place::Running(link, stream) => Some((Arc::clone(link), *stream)),
            Place::Waiting | Place::Over => None,
        }
    }

    /// Notes that nobody waits any more; returns where the job runs, if it does.
    pub(crate) fn abandon(&self) -> Option<(Arc<Link>, u32)> {
        let mut state = self.state();
        state.is_abandoned = true;
        state.waker = None;
        state.chunks = Pieces::default();
        match &state.place {
            Place::Running(link, stream) => Some((Arc::clone(link), *stream)),
            Place::Waiting | Place::Over => None,
        }
    }

    /// Takes the job back from a worker that crashed, if it may be sent once more.
    pub(crate) fn take_back(&self, now: Instant) -> bool {
        let mut state = self.state();
        let is_early = match (self.deadline, state.first_sent) {
            (Some(deadline), Some(first)) => now.saturating_duration_since(first) < deadline / 2,
            _ => true,
        };
        let is_open = !state.is_headed && !state.is_abandoned && !state.is_over();
        let may = self.is_replayable && is_early && state.tries < 2 && is_open;
        if may {
            state.place = Place::Waiting;
            self.may_share.store(false, Ordering::Relaxed);
        }
        may
    }

    /// Takes in what the worker has said, unless the job was ended while that was on its way here.
    pub(crate) fn deliver(&self, event: Event, worker: usize, pid: u32) {
        let mut state = self.state();
        if state.is_over() {
            return;
        }
        if event.is_last() {
            state.place = Place::Over;
        }
        match event {
            Event::Reply(mut answer) => {
                state.is_headed = true;
                if !answer.complete && !answer.body.is_empty() {
                    state.chunks.push(std::mem::take(&mut answer.body));
                }
                state.answer = Some(Ok(Taken { answer, worker, pid }));
            }
            Event::Data(chunk) => {
                if !state.is_abandoned {
                    state.chunks.push(chunk);
                }
            }
            Event::End => state.end = Some(Ok(())),
            Event::Failed(failure) => state.fail(failure.into()),
            Event::Room
            | Event::Extended(_)
            | Event::Gone
            | Event::Greeted
            | Event::Ready
            | Event::GivenBack { .. } => {}
        }
        wake(state);
    }

    /// Ends the job with an error, before or after the head.
    pub(crate) fn fail(&self, error: Error) {
        let mut state = self.state();
        state.place = Place::Over;
        state.fail(error);
        wake(state);
    }

    /// Tells whether something of the answer waits for its reader.
    pub(crate) fn is_reader_behind(&self) -> bool {
        let state = self.state();
        state.answer.is_some() || !state.chunks.is_empty()
    }

    pub(crate) fn set_waker(&self, waker: &Waker) {
        self.state().waker = Some(waker.clone());
    }

    /// Takes the beginning of the answer.
    pub(crate) fn poll_answer(&self, cx: &Context<'_>) -> Poll<Result<Taken, Error>> {
        let mut state = self.state();
        match state.answer.take() {
            Some(answer) => Poll::Ready(answer),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Takes the next piece of the answer, and lets the worker send more.
    pub(crate) fn poll_chunk(&self, cx: &Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let mut state = self.state();
        let Some(chunk) = state.chunks.pop() else {
            if let Some(end) = state.end.take() {
                return Poll::Ready(end.err().map(Err));
            }
            state.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        state.taken += chunk.len();
        let mut grant = None;
        if state.taken >= WINDOW_BYTES / 2
            && let Place::Running(link, stream) = &state.place
        {
            grant = Some((Arc::clone(link), *stream, state.taken));
            state.taken = 0;
        }
        drop(state);
        if let Some((link, stream, bytes)) = grant {
            link.credit(stream, bytes);
        }
        Poll::Ready(Some(Ok(chunk)))
    }
}

impl State {
    fn is_over(&self) -> bool {
        matches!(self.place, Place::Over)
    }

    fn fail(&mut self, error: Error) {
        if self.is_headed {
            self.end.get_or_insert(Err(error));
        } else {
            self.answer.get_or_insert(Err(error));
        }
    }
}

/// Wakes the submitter after the lock is free again, because it takes that lock first.
fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests;
