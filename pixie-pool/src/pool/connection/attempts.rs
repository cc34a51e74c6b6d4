//! How often one job may be started.
//!
//! Owns the rules for retries as a plain value. Invariant: a job that was started is started at most once
//! more, and only if it is replayable.

use std::time::{Duration, Instant};

use crate::config::MOVES_MAX;

#[derive(Debug, Default)]
pub(crate) struct Attempts {
    deadline: Option<Duration>,
    is_replayable: bool,
    starts: u32,
    /// Workers that exited while the job was sent to them.
    moves: u32,
    first_start: Option<Instant>,
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
        Attempts { deadline, is_replayable, starts: 0, moves: 0, first_start: None }
    }

    /// Returns how much time the job has if it is started now.
    pub(crate) fn left(&self, now: Instant) -> Option<Duration> {
        let used = self.first_start.map_or(Duration::ZERO, |first| now.saturating_duration_since(first));
        self.deadline.map(|deadline| deadline.saturating_sub(used))
    }

    /// Notes that a worker starts the job; returns its deadline, which counts from the first start.
    pub(crate) fn start(&mut self, at: Instant) -> Option<Instant> {
        self.starts += 1;
        let first = *self.first_start.get_or_insert(at);
        self.deadline.map(|deadline| first + deadline)
    }

    /// Decides what happens to a job whose worker has exited; `is_refused` marks a repeat crash.
    pub(crate) fn after_exit(&mut self, was_started: bool, is_refused: bool, now: Instant) -> Continuation {
        if !was_started && self.moves < MOVES_MAX {
            self.moves += 1;
            self.starts -= 1;
            if self.starts == 0 {
                self.first_start = None;
            }
            return Continuation::Move;
        }
        let is_early = match (self.deadline, self.first_start) {
            (Some(deadline), Some(first)) => now.saturating_duration_since(first) < deadline / 2,
            _ => true,
        };
        if self.is_replayable && !is_refused && is_early && self.starts < 2 {
            Continuation::Retry
        } else {
            Continuation::Fail
        }
    }
}
