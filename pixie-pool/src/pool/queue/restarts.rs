//! Restart back-off and circuit breaker, as plain values.
//!
//! Owns how long to wait before a worker is started again. Invariant: a worker that has ended a job is
//! replaced at once, so that a job that crashes workers does not delay other jobs.

use std::time::Duration;

use crate::{
    config::{BREAKER_START_FAILURES, RESTART_PAUSE_CRASHES, RESTART_PAUSE_FIRST, RESTART_PAUSE_LAST},
    pool::connection::{Closed, Kill},
};

/// How far a worker had come when it exited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    /// It was never ready.
    Nothing,
    /// It had a job, but exited or broke the protocol before it ended one.
    Ready,
    /// It exited while idle, soon after it was ready.
    Idle,
    /// The pool killed it before it ended a job, for a reason that does not predict the next worker's end.
    Unproven,
    /// It ended at least one job.
    Service,
}

impl Reached {
    /// Classifies a worker that was ready. `jobs` is the number of jobs that it ended; `idle` is its age if
    /// it had no job.
    pub(crate) fn of(closed: Closed, jobs: u64, idle: Option<Duration>) -> Self {
        match (closed, idle) {
            _ if jobs > 0 => Reached::Service,
            // It ran for so long that starting the next one at once is not a loop.
            (Closed::Exited, Some(age)) if age >= RESTART_PAUSE_LAST => Reached::Service,
            (Closed::Exited, Some(_)) => Reached::Idle,
            (Closed::Exited | Closed::Killed(Kill::Protocol), _) => Reached::Ready,
            (Closed::Killed(_), _) => Reached::Unproven,
        }
    }
}

/// The early exits of one pool's workers.
#[derive(Debug, Default)]
pub(crate) struct Restarts {
    /// Failed starts since the last worker became ready.
    failed_starts: u32,
    /// Exits during the first job, since the last exit of a worker that had ended a job.
    first_job_exits: u32,
    /// Exits while idle, since the last exit of a worker that had ended a job.
    idle_exits: u32,
}

impl Restarts {
    pub(crate) fn ready(&mut self) {
        self.failed_starts = 0;
    }

    /// Notes an exit; returns how long to wait before the next start.
    pub(crate) fn exited(&mut self, reached: Reached) -> Duration {
        match reached {
            Reached::Service => {
                self.first_job_exits = 0;
                self.idle_exits = 0;
                Duration::ZERO
            }
            Reached::Unproven => Duration::ZERO,
            Reached::Nothing => {
                self.failed_starts = self.failed_starts.saturating_add(1);
                pause(self.failed_starts)
            }
            Reached::Idle => {
                self.idle_exits = self.idle_exits.saturating_add(1);
                pause(self.idle_exits)
            }
            // Probably the jobs' fault, so only many such exits in a row cause a pause.
            Reached::Ready => {
                self.first_job_exits = self.first_job_exits.saturating_add(1);
                self.first_job_exits
                    .checked_sub(8 * BREAKER_START_FAILURES)
                    .map_or(Duration::ZERO, |n| pause(n / 8).min(RESTART_PAUSE_CRASHES))
            }
        }
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.failed_starts > 0
    }

    /// Returns whether so many starts failed in a row that a pool without workers refuses jobs.
    pub(crate) fn is_broken(&self) -> bool {
        self.failed_starts >= BREAKER_START_FAILURES
    }

    /// Returns the pause after the last failed start.
    pub(crate) fn pause(&self) -> Duration {
        pause(self.failed_starts)
    }
}

/// Returns no pause for the first exit, then a pause that doubles with each exit.
fn pause(exits: u32) -> Duration {
    match exits {
        0 | 1 => Duration::ZERO,
        n => RESTART_PAUSE_FIRST.saturating_mul(1 << (n - 2).min(16)).min(RESTART_PAUSE_LAST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_served_is_replaced_at_once() {
        let mut restarts = Restarts::default();
        for _ in 0..1000 {
            assert_eq!(restarts.exited(Reached::Service), Duration::ZERO);
        }
    }

    #[test]
    fn failed_starts_wait_longer_each_time_up_to_a_limit() {
        let mut restarts = Restarts::default();
        let pauses: Vec<u64> = (0..12).map(|_| restarts.exited(Reached::Nothing).as_millis() as u64).collect();
        assert_eq!(pauses, [0, 100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000]);
        assert!(restarts.is_failing() && restarts.is_broken());
        restarts.ready();
        assert!(!restarts.is_failing() && !restarts.is_broken());
    }

    #[test]
    fn workers_that_exit_idle_wait_longer_each_time_although_each_was_ready() {
        let mut restarts = Restarts::default();
        let mut exit = |reached| {
            restarts.ready();
            restarts.exited(reached).as_millis()
        };
        assert_eq!([Reached::Idle; 5].map(&mut exit), [0, 100, 200, 400, 800]);
        assert_eq!(exit(Reached::Service), 0);
        assert_eq!([Reached::Idle; 2].map(&mut exit), [0, 100]);
    }

    #[test]
    fn crashes_on_the_first_job_cost_a_pause_only_after_many() {
        let mut restarts = Restarts::default();
        let pauses: Vec<Duration> = (0..1000).map(|_| restarts.exited(Reached::Ready)).collect();
        assert!(pauses[..40].iter().all(Duration::is_zero));
        assert_eq!(pauses[999], RESTART_PAUSE_CRASHES);
    }

    #[test]
    fn workers_that_were_retired_before_their_first_job_do_not_hide_a_row_of_crashes() {
        let retired = || Reached::of(Closed::Killed(Kill::Retire), 0, None);
        let mut restarts = Restarts::default();
        for _ in 0..1000 {
            restarts.exited(Reached::of(Closed::Exited, 0, None));
            assert_eq!(restarts.exited(retired()), Duration::ZERO);
        }
        assert_eq!(restarts.exited(Reached::of(Closed::Exited, 0, None)), RESTART_PAUSE_CRASHES);
        restarts.exited(Reached::of(Closed::Killed(Kill::Retire), 1, None));
        assert_eq!(
            restarts.exited(Reached::of(Closed::Exited, 0, None)),
            Duration::ZERO,
            "a worker that had ended a job ends the row"
        );
    }

    #[test]
    fn workers_that_exit_in_their_first_job_are_a_row_of_crashes() {
        for (closed, jobs, reached) in [
            (Closed::Exited, 0, Reached::Ready),
            (Closed::Killed(Kill::Protocol), 0, Reached::Ready),
            (Closed::Killed(Kill::Deadline), 0, Reached::Unproven),
            (Closed::Killed(Kill::Stop), 0, Reached::Unproven),
            (Closed::Exited, 1, Reached::Service),
            (Closed::Killed(Kill::Retire), 1, Reached::Service),
        ] {
            assert_eq!(Reached::of(closed, jobs, None), reached, "{closed:?} after {jobs}");
        }
        let idle = |age| Reached::of(Closed::Exited, 0, Some(age));
        assert_eq!([Duration::ZERO, RESTART_PAUSE_LAST].map(idle), [Reached::Idle, Reached::Service]);
    }
}
