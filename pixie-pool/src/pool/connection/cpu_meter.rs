//! The CPU time of one job.
//!
//! Owns the CPU time at the start of the job and the time of the next check. Leaves reading the clock to
//! `platform`. Invariant: without a limit, the clock is not read, because each reading is a system call.

use std::{
    thread::available_parallelism,
    time::{Duration, Instant},
};

use crate::{config::CPU_CHECK_INTERVAL_MIN, platform, pool::connection::kill::Kill};

#[derive(Debug)]
pub(crate) struct CpuMeter {
    limit: Option<Duration>,
    before: Duration,
    cores: u32,
}

impl CpuMeter {
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        let cores = available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1));
        CpuMeter { limit, before: Duration::ZERO, cores }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.limit.is_some()
    }

    pub(crate) fn begin(&mut self, pid: u32) {
        if self.is_on() {
            // If the clock cannot be read, the process has exited, which its watch reports.
            self.before = platform::cpu_time(pid).unwrap_or_default();
        }
    }

    /// Returns the earliest time at which a job that starts now can reach the limit.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        self.limit.map(|limit| now + limit / self.cores)
    }

    /// Reads the clock; returns when to read it again, or `now` if the limit is reached.
    pub(crate) fn check(&self, pid: u32, now: Instant) -> Option<(Kill, Instant)> {
        let limit = self.limit?;
        let used = platform::cpu_time(pid)?.saturating_sub(self.before);
        let at = match limit.checked_sub(used) {
            // The job may run on all cores at once, so it can use up the rest of its CPU time in a fraction
            // of that time.
            Some(left) if !left.is_zero() => now + (left / self.cores).max(CPU_CHECK_INTERVAL_MIN),
            _ => now,
        };
        Some((Kill::CpuTime, at))
    }
}
