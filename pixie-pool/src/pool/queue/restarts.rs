//! When a dead worker may be started again.
//!
//! Owns the back-off and the breaker as plain values; clocks are the caller's. Rule: a worker that has served
//! something is replaced at once, so a bad request never slows the pool down for the good ones.

use std::time::Duration;

use crate::{
    config::{BREAKER_DEATHS, RESTART_PAUSE_CRASHES, RESTART_PAUSE_FIRST, RESTART_PAUSE_LAST},
    pool::connection::kill::{Closed, Kill},
};

/// What a worker had reached when it died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    /// It never said READY.
    Nothing,
    /// It was ready, but ended by itself or spoke nonsense before it had answered a job.
    Ready,
    /// It was ready for a moment and died of nothing that a job did.
    Idle,
    /// It had answered no job when the pool ended it, for a reason that says nothing of the next one.
    Unproven,
    /// It answered at least one job.
    Service,
}

impl Reached {
    /// Tells what a worker had reached that was ready and has ended so, after so many jobs; `idle` is its age, if it had none.
    pub(crate) fn of(closed: Closed, jobs: u64, idle: Option<Duration>) -> Self {
        match (closed, idle) {
            _ if jobs > 0 => Reached::Service,
            // Old enough that starting the next at once is no loop.
            (Closed::Exited, Some(age)) if age >= RESTART_PAUSE_LAST => Reached::Service,
            (Closed::Exited, Some(_)) => Reached::Idle,
            (Closed::Exited | Closed::Killed(Kill::Protocol), _) => Reached::Ready,
            (Closed::Killed(_), _) => Reached::Unproven,
        }
    }
}

/// The deaths of one pool.
#[derive(Debug, Default)]
pub(crate) struct Restarts {
    /// Deaths before READY since the last READY.
    unborn: u32,
    /// Deaths before the first answer since the last death of a worker that had answered.
    useless: u32,
    /// Deaths right after READY without a job, since the last worker that was of use.
    idle: u32,
}

impl Restarts {
    /// Notes that a worker is ready.
    pub(crate) fn ready(&mut self) {
        self.unborn = 0;
    }

    /// Notes a death and returns how long to wait before the next start.
    pub(crate) fn died(&mut self, reached: Reached) -> Duration {
        match reached {
            Reached::Service => {
                self.useless = 0;
                self.idle = 0;
                Duration::ZERO
            }
            Reached::Unproven => Duration::ZERO,
            Reached::Nothing => {
                self.unborn = self.unborn.saturating_add(1);
                pause(self.unborn)
            }
            Reached::Idle => {
                self.idle = self.idle.saturating_add(1);
                pause(self.idle)
            }
            // Crashes of requests, until proven otherwise: many of them in a row are needed before they cost a pause.
            Reached::Ready => {
                self.useless = self.useless.saturating_add(1);
                self.useless
                    .checked_sub(8 * BREAKER_DEATHS)
                    .map_or(Duration::ZERO, |n| pause(n / 8).min(RESTART_PAUSE_CRASHES))
            }
        }
    }

    /// Tells whether the last start has failed.
    pub(crate) fn is_failing(&self) -> bool {
        self.unborn > 0
    }

    /// Tells whether so many starts have failed that a pool without workers should refuse.
    pub(crate) fn is_broken(&self) -> bool {
        self.unborn >= BREAKER_DEATHS
    }

    /// Returns the pause that the next failed start will cost.
    pub(crate) fn pause(&self) -> Duration {
        pause(self.unborn)
    }
}

/// Nothing for the first death, then doubling.
fn pause(deaths: u32) -> Duration {
    match deaths {
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
            assert_eq!(restarts.died(Reached::Service), Duration::ZERO);
        }
    }

    #[test]
    fn failed_starts_wait_longer_each_time_up_to_a_limit() {
        let mut restarts = Restarts::default();
        let pauses: Vec<u64> = (0..12).map(|_| restarts.died(Reached::Nothing).as_millis() as u64).collect();
        assert_eq!(pauses, [0, 100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000]);
        assert!(restarts.is_failing() && restarts.is_broken());
        restarts.ready();
        assert!(!restarts.is_failing() && !restarts.is_broken());
    }

    #[test]
    fn workers_that_die_idle_wait_longer_each_time_although_each_was_ready() {
        let mut restarts = Restarts::default();
        let mut die = |reached| {
            restarts.ready();
            restarts.died(reached).as_millis()
        };
        assert_eq!([Reached::Idle; 5].map(&mut die), [0, 100, 200, 400, 800]);
        assert_eq!(die(Reached::Service), 0);
        assert_eq!([Reached::Idle; 2].map(&mut die), [0, 100]);
    }

    #[test]
    fn crashes_on_the_first_job_cost_a_pause_only_after_many() {
        let mut restarts = Restarts::default();
        let pauses: Vec<Duration> = (0..1000).map(|_| restarts.died(Reached::Ready)).collect();
        assert!(pauses[..40].iter().all(Duration::is_zero));
        assert_eq!(pauses[999], RESTART_PAUSE_CRASHES);
    }

    #[test]
    fn workers_that_were_let_go_before_they_did_anything_do_not_hide_a_row_of_crashes() {
        let retired = || Reached::of(Closed::Killed(Kill::Retire), 0, None);
        let mut restarts = Restarts::default();
        for _ in 0..1000 {
            restarts.died(Reached::of(Closed::Exited, 0, None));
            assert_eq!(restarts.died(retired()), Duration::ZERO);
        }
        assert_eq!(restarts.died(Reached::of(Closed::Exited, 0, None)), RESTART_PAUSE_CRASHES);
        restarts.died(Reached::of(Closed::Killed(Kill::Retire), 1, None));
        assert_eq!(
            restarts.died(Reached::of(Closed::Exited, 0, None)),
            Duration::ZERO,
            "one that had answered ends the row"
        );
    }

    #[test]
    fn workers_that_end_by_themselves_before_their_first_job_are_a_row_of_crashes() {
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
