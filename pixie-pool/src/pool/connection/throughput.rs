//! How many jobs a worker has ended, and how long they took, as a plain value.
//!
//! `Retry-After`, recycling, pipelining and snapshots are computed from it.

use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Throughput {
    /// Jobs that the worker has ended.
    pub(crate) jobs: u64,
    pub(crate) average: Duration,
    /// Since when the worker's first job is the first.
    pub(crate) first_since: Instant,
}

impl Throughput {
    pub(crate) fn new(now: Instant) -> Self {
        Throughput { jobs: 0, average: Duration::ZERO, first_since: now }
    }

    /// Notes the end of the worker's first job. `took` is the time that the worker reported.
    ///
    /// The time measured here also contains the wait for a core and for replies that are written together. A
    /// worker that reports wrong times only harms its own pool: its jobs are pipelined and withdrawn.
    pub(crate) fn end(&mut self, took: Option<Duration>, now: Instant) {
        let took = took.unwrap_or_else(|| now.saturating_duration_since(self.first_since));
        self.first_since = now;
        self.jobs += 1;
        // A moving average over about eight jobs.
        self.average = if self.jobs == 1 { took } else { self.average - self.average / 8 + took / 8 };
    }
}
