//! A job on the way to or in a worker, and the clock that it is measured by.
//!
//! Owns when a job has to be looked at and when its time is over. Leaves what follows from that to `link` and `slot`.
//! Rule: only the first job of a worker can be the reason to kill it; those sent ahead only ever leave.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    pool::{
        connection::job_state::{Exchange, Name},
        connection::kill::Kill,
    },
    protocol::frame::Start,
};

/// A job on the way to or in the worker.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) exchange: Arc<Exchange>,
    /// Whether the socket has refused it, so that the worker cannot have seen it.
    pub(crate) unsent: Option<Start>,
    pub(crate) stream: u32,
    pub(crate) clock: Clock,
    /// Whether it was reported as slow.
    pub(crate) is_reported: bool,
}

/// What a worker runs, and since when it is the first there.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) name: Name,
    pub(crate) since: Instant,
}

/// What a job is measured by.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Clock {
    /// Until the head of the answer.
    Head(Option<Instant>),
    /// After it: the last time that anything moved.
    Progress(Instant),
    /// After nobody waits any more: since when it has been told, and how long it may go on by itself.
    Cancelled(Instant, Duration),
}

impl Flight {
    /// Returns when the first job's time is over and what follows.
    pub(crate) fn due(&mut self, now: Instant, since: Instant, idle: Duration) -> Option<(Kill, Instant)> {
        match &mut self.clock {
            Clock::Head(at) => at.map(|at| (Kill::Deadline, at)),
            // One that was sent ahead cannot end before it has begun.
            Clock::Cancelled(at, grace) => Some((Kill::Cancel, (*at).max(since) + *grace)),
            Clock::Progress(at) => {
                // A slow reader is not the worker's fault.
                if self.exchange.is_reader_behind() {
                    *at = now;
                }
                Some((Kill::Idle, *at + idle))
            }
        }
    }

    /// Lets the job take longer; its clock is looked at when it would have ended, and then again.
    pub(crate) fn extend(&mut self, by: Duration) {
        if let Clock::Head(Some(at)) = &mut self.clock {
            *at += by;
        }
    }

    /// Returns when the first job has to be reported as slow: once, and only until its answer begins.
    pub(crate) fn slow_due(&self, since: Instant, slow_after: Option<Duration>) -> Option<Instant> {
        let is_waited_for = matches!(self.clock, Clock::Head(_)) && !self.is_reported;
        slow_after.filter(|_| is_waited_for).map(|after| since + after)
    }

    /// Tells whether a worker that started the job of `stream` last had started this one.
    pub(crate) fn is_before(&self, stream: u32) -> bool {
        // Numbers wrap around: what is less than half of them away came later.
        stream.wrapping_sub(self.stream) <= u32::MAX / 2
    }

    /// Tells whether the first job of a worker that broke the protocol may be what it failed at, by what it started last.
    ///
    /// One that does not even say what it starts is not believed.
    pub(crate) fn may_have_run(&self, last_started: Option<u32>) -> bool {
        last_started.is_none_or(|last| last == 0 || self.is_before(last))
    }

    /// Returns when a job that was sent ahead has waited too long for its answer.
    pub(crate) fn due_ahead(&self) -> Option<Instant> {
        match self.clock {
            Clock::Head(at) => at,
            Clock::Progress(_) | Clock::Cancelled(..) => None,
        }
    }
}
