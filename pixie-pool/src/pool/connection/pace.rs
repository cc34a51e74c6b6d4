//! How quickly a worker ends its jobs, and from that how many it may have at a time.
//!
//! Owns the smoothed time of a job and the two limits that follow from it: how much may be sent ahead, and how long that may
//! wait. Rule: a worker whose jobs are not known to be short has one job at a time.
//!
//! # Why nothing that was sent ahead is lost or done twice
//!
//! Only replayable jobs without a body share a worker, and a job that a crash has met never shares one again.
//!
//! - *While the worker lives*, it takes a job out of its queue either to start it or to give it back, under one lock, so never
//!   both; the parent sends a job elsewhere only after it was given back. The main thread of a worker answers a recall,
//!   so a handler that spins cannot keep others waiting.
//! - *When the worker has ended*, and only then, its mark is read: the number of the job that it started last, written to memory
//!   that outlives it, before the handler was called. Later jobs were never started and move on as if nothing had happened.
//!   Earlier ones were: their answers may have been ready but not written, so they are done once more, alone, which is what
//!   replayable means.
//! - *A worker that does not answer a recall* stands still as a whole; after a second it is ended, and the mark decides.
//!
//! The deadline of a job counts from when it was sent, also if others were before it, so its 504 is never late: what it loses is
//! at most the wait of a recall. A job that has moved on before it was started begins anew.

use std::time::{Duration, Instant};

use crate::{
    config::{AHEAD_JOBS_MAX, AHEAD_PATIENCE, AHEAD_SERVICE_MAX, RECALL_ANSWER_MAX},
    protocol::parent::Event,
};

/// The pace of one worker.
#[derive(Debug)]
pub(crate) struct Pace {
    jobs: u64,
    /// Smoothed time that a job takes here.
    service: Duration,
    /// Since when the first of the jobs on the way is the first.
    since: Instant,
    /// When what was sent ahead was called back last.
    recalled: Instant,
}

impl Pace {
    pub(crate) fn new(now: Instant) -> Self {
        Pace { jobs: 0, service: Duration::ZERO, since: now, recalled: now }
    }

    /// Notes that a worker without jobs has got some.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.since = now;
    }

    /// Notes the end of the first job.
    pub(crate) fn end(&mut self, event: &Event, now: Instant) {
        // How long it took here includes how long it waited for a core and for the answers that were written with it, so the
        // worker is asked. One that lies gets jobs sent ahead that are called back: that harms nobody but its own pool.
        let took = match event {
            Event::Reply(answer) => Duration::from_micros(answer.took_us.into()),
            _ => now.saturating_duration_since(self.since),
        };
        self.since = now;
        self.jobs += 1;
        // An average in which the last eight jobs weigh most.
        self.service = if self.jobs == 1 { took } else { self.service - self.service / 8 + took / 8 };
    }

    /// Notes that what was sent ahead is called back.
    pub(crate) fn recall(&mut self, now: Instant) {
        self.recalled = now;
    }

    /// Returns how many jobs this worker has ended.
    pub(crate) fn jobs(&self) -> u64 {
        self.jobs
    }

    /// Returns the smoothed time that a job takes here.
    pub(crate) fn service(&self) -> Duration {
        self.service
    }

    /// Returns since when the first job is the first.
    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    /// Returns how many jobs this worker may have at a time.
    pub(crate) fn jobs_max(&self) -> usize {
        if self.jobs == 0 || self.service > AHEAD_SERVICE_MAX {
            return 1;
        }
        let fitting = AHEAD_PATIENCE.as_nanos() / self.service.as_nanos().max(1);
        usize::try_from(fitting).map_or(AHEAD_JOBS_MAX, |n| n.min(AHEAD_JOBS_MAX))
    }

    /// Returns until when the first job may keep those behind it waiting.
    pub(crate) fn patience_end(&self) -> Instant {
        self.since + AHEAD_PATIENCE + self.service
    }

    /// Returns until when the worker has to say what it has not started.
    pub(crate) fn recall_end(&self) -> Instant {
        self.recalled + RECALL_ANSWER_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::frame::Answer;

    fn pace(times_us: &[u32]) -> Pace {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        for took_us in times_us {
            let answer = Answer { head: "".into(), body: "".into(), complete: true, took_us: *took_us };
            pace.end(&Event::Reply(answer), now);
        }
        pace
    }

    #[test]
    fn only_workers_whose_jobs_are_known_to_be_short_get_more_than_one() {
        for (times_us, jobs_max) in
            [(&[][..], 1), (&[0], 32), (&[10], 32), (&[50], 20), (&[100], 10), (&[101], 1), (&[5, 5, 5, 5, 1000], 1)]
        {
            assert_eq!(pace(times_us).jobs_max(), jobs_max, "{times_us:?}");
        }
    }

    #[test]
    fn one_slow_job_is_forgotten_after_some_short_ones() {
        let times: Vec<u32> = [10_000].into_iter().chain([5; 40]).collect();
        assert_eq!(pace(&times[..20]).jobs_max(), 1);
        assert!(pace(&times).jobs_max() > 1);
    }

    #[test]
    fn a_worker_whose_jobs_take_longer_is_given_more_time() {
        let (quick, slow) = (pace(&[0]), pace(&[90]));
        assert_eq!(quick.patience_end(), quick.since() + Duration::from_millis(1));
        assert_eq!(slow.patience_end(), slow.since() + Duration::from_micros(1090));
    }
}
