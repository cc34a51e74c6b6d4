//! How many jobs a worker has ended, and how long they took.
//!
//! Owns the numbers that `Retry-After`, recycling, pipelining and snapshots are computed from, as a plain value.

use std::time::{Duration, Instant};

#[derive(Debug)]
pub(crate) struct Throughput {
    jobs: u64,
    average: Duration,
    first_since: Instant,
}

impl Throughput {
    pub(crate) fn new(now: Instant) -> Self {
        Throughput { jobs: 0, average: Duration::ZERO, first_since: now }
    }

    /// Notes that a worker without jobs got one.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.first_since = now;
    }

    /// Notes the end of the worker's first job. `took` is the time that the worker reported.
    ///
    /// The time measured here also contains the wait for a core and for replies that are written together. A worker that reports
    /// wrong times only harms its own pool: its jobs are pipelined and withdrawn.
    pub(crate) fn end(&mut self, took: Option<Duration>, now: Instant) {
        let took = took.unwrap_or_else(|| now.saturating_duration_since(self.first_since));
        self.first_since = now;
        self.jobs += 1;
        // A moving average over about eight jobs.
        self.average = if self.jobs == 1 { took } else { self.average - self.average / 8 + took / 8 };
    }

    /// Returns how many jobs the worker has ended.
    pub(crate) fn jobs(&self) -> u64 {
        self.jobs
    }

    /// Returns the average time of a job.
    pub(crate) fn average(&self) -> Duration {
        self.average
    }

    /// Returns since when the worker's first job is the first.
    pub(crate) fn first_since(&self) -> Instant {
        self.first_since
    }
}
