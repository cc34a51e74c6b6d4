//! The CPU time of one job.
//!
//! Owns what its process had used when it began, and when to look again. Leaves the clock itself to `platform`. Rule: without a
//! limit nothing is read, since each reading is a system call.

use std::{
    thread::available_parallelism,
    time::{Duration, Instant},
};

use crate::{config::CPU_LOOK_MIN, platform, pool::connection::kill::Kill};

#[derive(Debug)]
pub(crate) struct Meter {
    limit: Option<Duration>,
    before: Duration,
    cores: u32,
}

impl Meter {
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        let cores = available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1));
        Meter { limit, before: Duration::ZERO, cores }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.limit.is_some()
    }

    /// Notes that a job begins.
    pub(crate) fn begin(&mut self, pid: u32) {
        if self.is_on() {
            // A process without a clock has ended, which others see.
            self.before = platform::cpu_time(pid).unwrap_or_default();
        }
    }

    /// Returns when a job that begins now can have reached the limit.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        self.limit.map(|limit| now + limit / self.cores)
    }

    /// Reads the clock; returns when to look again, or that the time is over.
    pub(crate) fn look(&self, pid: u32, now: Instant) -> Option<(Kill, Instant)> {
        let limit = self.limit?;
        let used = platform::cpu_time(pid)?.saturating_sub(self.before);
        let at = match limit.checked_sub(used) {
            // All cores may work on it at once, so it can be over in a part of what is left.
            Some(left) if !left.is_zero() => now + (left / self.cores).max(CPU_LOOK_MIN),
            _ => now,
        };
        Some((Kill::CpuTime, at))
    }
}
