//! How often one job may be sent to a worker.
//!
//! Owns the rules for moves and retries as a plain value. Invariant: a job that a worker may have started is
//! sent at most once more, and only if it is replayable.

use std::time::{Duration, Instant};

use crate::config::MOVES_MAX;

#[derive(Debug, Default)]
pub(crate) struct Attempts {
    deadline: Option<Duration>,
    is_replayable: bool,
    /// Workers that have the job or may have started it.
    sent: u32,
    /// Workers that the job left before it was started.
    moves: u32,
    first_sent: Option<Instant>,
}

/// What happens to a job that its worker did not finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Continuation {
    /// The worker did not start the job, so it goes back into the queue.
    Move,
    Retry,
    Fail,
}

impl Attempts {
    pub(crate) fn new(deadline: Option<Duration>, is_replayable: bool) -> Self {
        Attempts { deadline, is_replayable, sent: 0, moves: 0, first_sent: None }
    }

    /// Notes that the job is sent; returns its deadline, which counts from the first worker that may run it.
    pub(crate) fn send(&mut self, now: Instant) -> Option<Instant> {
        self.sent += 1;
        let first_sent = *self.first_sent.get_or_insert(now);
        self.deadline.map(|deadline| first_sent + deadline)
    }

    /// Notes that the job leaves a worker that did not start it.
    pub(crate) fn leave_unstarted(&mut self) {
        self.sent -= 1;
        if self.sent == 0 {
            self.first_sent = None;
        }
        self.moves += 1;
    }

    /// Returns whether the job has moved so often that it must not move again.
    pub(crate) fn has_moved_enough(&self) -> bool {
        self.moves >= MOVES_MAX
    }

    /// Decides what happens to a job whose worker has exited. `may_move` is false if the worker may have
    /// started the job or the request cannot be sent again; `is_refused` marks a repeat crash.
    pub(crate) fn after_exit(&mut self, may_move: bool, is_refused: bool, now: Instant) -> Continuation {
        if may_move && !self.has_moved_enough() {
            self.leave_unstarted();
            return Continuation::Move;
        }
        let is_early = match (self.deadline, self.first_sent) {
            (Some(deadline), Some(first)) => now.saturating_duration_since(first) < deadline / 2,
            _ => true,
        };
        if self.is_replayable && !is_refused && is_early && self.sent < 2 {
            Continuation::Retry
        } else {
            Continuation::Fail
        }
    }
}
