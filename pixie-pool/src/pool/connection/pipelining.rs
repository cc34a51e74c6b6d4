//! Pipelining: sending jobs to a worker that still runs others, so that short jobs cost fewer wake-ups.
//!
//! Owns how many jobs a worker may have and when they are withdrawn. Everything else in the pool works
//! without this module: with the setting `pipelining` off,
//! [`JobState::may_pipeline`](super::job_state::JobState::may_pipeline) is false for all jobs, so each worker
//! has at most one and the rest of this file has no effect.
//!
//! # Why no job is lost or run twice
//!
//! Only replayable jobs without a body share a worker, and a job that was in a crash never shares one again.
//!
//! - *While the worker runs*, it takes each job out of its queue under one lock, either to start it or to
//!   return it. The parent sends the job to another worker only after it was returned. The worker's main
//!   thread answers the request to return jobs, so a handler that spins cannot delay the answer.
//! - *After the worker has exited*, and only then, the parent reads the worker's mark: the number of the job
//!   that it started last, stored in mapped memory before the handler was called. Later jobs were never
//!   started and move to other workers. Earlier jobs may have run without their replies being written, so
//!   they run once more, alone; replayable jobs permit that.
//! - *A worker that does not answer the request* within a second is stuck. It is killed, and the mark
//!   decides.
//!
//! The deadline of a job counts from when it was sent, even if the worker runs others first, so a 504 is
//! never late. A job that moves before its start gets a new deadline.

use std::time::Instant;

use crate::{
    config::{PIPELINED_JOBS_MAX, PIPELINED_TIME_MAX, PIPELINED_TOTAL_MAX, WITHDRAW_ANSWER_MAX},
    platform::LifelineHolder,
    pool::connection::usage::Throughput,
};

#[derive(Debug)]
pub(crate) struct Pipeline {
    /// Wakes the worker's main thread while its handler runs. `None` for a thread, which has one job at a
    /// time.
    lifeline: Option<LifelineHolder>,
    withdrawn: Instant,
    must_wake: bool,
}

impl Pipeline {
    pub(crate) fn new(lifeline: Option<LifelineHolder>, now: Instant) -> Self {
        Pipeline { lifeline, withdrawn: now, must_wake: false }
    }

    pub(crate) fn cut_lifeline(&mut self) {
        self.lifeline = None;
    }

    /// Returns how many jobs a worker with this throughput may have.
    pub(crate) fn jobs_max(&self, throughput: &Throughput) -> usize {
        if self.lifeline.is_some() { jobs_max(throughput) } else { 1 }
    }

    pub(crate) fn withdraw(&mut self, now: Instant) {
        self.withdrawn = now;
        self.must_wake = true;
    }

    /// Returns when the worker must have answered the last withdrawal.
    pub(crate) fn answer_due(&self) -> Instant {
        self.withdrawn + WITHDRAW_ANSWER_MAX
    }

    /// Wakes the worker's main thread until the whole withdrawal is written: the worker may have to read
    /// before there is room.
    pub(crate) fn wake_worker(&mut self, is_written: bool) {
        if self.must_wake
            && let Some(lifeline) = &self.lifeline
        {
            lifeline.pull();
        }
        self.must_wake &= !is_written;
    }
}

/// Returns more than 1 only if the worker's jobs are known to be short.
fn jobs_max(throughput: &Throughput) -> usize {
    if throughput.jobs == 0 || throughput.average > PIPELINED_TIME_MAX {
        return 1;
    }
    let fitting = PIPELINED_TOTAL_MAX.as_nanos() / throughput.average.as_nanos().max(1);
    usize::try_from(fitting).map_or(PIPELINED_JOBS_MAX, |n| n.min(PIPELINED_JOBS_MAX))
}

/// Returns how long the first job may keep pipelined jobs waiting.
pub(crate) fn withdraw_due(throughput: &Throughput) -> Instant {
    throughput.first_since + PIPELINED_TOTAL_MAX + throughput.average
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn throughput(times_us: &[u64]) -> Throughput {
        let mut throughput = Throughput::new(Instant::now());
        times_us.iter().for_each(|us| throughput.end(Some(Duration::from_micros(*us)), throughput.first_since));
        throughput
    }

    #[test]
    fn only_workers_whose_jobs_are_known_to_be_short_get_more_than_one() {
        for (times_us, max) in
            [(&[][..], 1), (&[0], 32), (&[10], 32), (&[50], 20), (&[100], 10), (&[101], 1), (&[5, 5, 5, 5, 1000], 1)]
        {
            assert_eq!(jobs_max(&throughput(times_us)), max, "{times_us:?}");
        }
    }

    #[test]
    fn one_slow_job_is_forgotten_after_some_short_ones() {
        let times: Vec<u64> = [10_000].into_iter().chain([5; 40]).collect();
        assert_eq!(jobs_max(&throughput(&times[..20])), 1);
        assert!(jobs_max(&throughput(&times)) > 1);
    }

    #[test]
    fn a_worker_whose_jobs_take_longer_is_given_more_time() {
        let (quick, slow) = (throughput(&[0]), throughput(&[90]));
        assert_eq!(withdraw_due(&quick), quick.first_since + Duration::from_millis(1));
        assert_eq!(withdraw_due(&slow), slow.first_since + Duration::from_micros(1090));
    }
}
