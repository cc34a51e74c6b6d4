//! What one worker has used up: its jobs and their times, its age and memory, the CPU time of one job.
//!
//! Owns plain values, from which `Retry-After`, recycling, pipelining and snapshots are computed. Leaves the
//! replacement of a worker to `queue::rules`, and reading a process's clock to `platform`. Invariants: a
//! limit that is not set is never reached. Without a limit of CPU time, the clock is not read, because each
//! reading is a system call.

use std::{
    thread::available_parallelism,
    time::{Duration, Instant},
};

use crate::{
    config::{CPU_CHECK_INTERVAL_MIN, Config},
    platform,
    pool::connection::kill::Kill,
};

/// How many jobs a worker has ended, and how long they took.
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

/// When a worker is replaced for its jobs, age or memory. Each limit varies by 10 %, to spread replacements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recycling {
    jobs: Option<u64>,
    pub(crate) until: Option<Instant>,
    /// Whether a memory check found the worker above `recycle_memory`.
    pub(crate) is_large: bool,
}

impl Recycling {
    /// Creates the limits of a worker that starts now; `seed` decides how far they are from the settings.
    pub(crate) fn new(config: &Config, seed: u32, now: Instant) -> Self {
        // Per mille, from 900 to 1100; consecutive seeds give distant values.
        let share = 900 + seed.wrapping_mul(0x9e37_79b1) / (u32::MAX / 201 + 1);
        let jobs = config.recycle_after.map(|jobs| ((jobs as u64).saturating_mul(share.into()) / 1000).max(1));
        let age = |age: Duration| now + age.saturating_mul(share) / 1000;
        Recycling { jobs, until: config.recycle_age.map(age), is_large: false }
    }

    pub(crate) fn is_reached(&self, jobs: u64, now: Instant) -> bool {
        self.is_large || self.jobs.is_some_and(|max| jobs >= max) || self.until.is_some_and(|until| now >= until)
    }
}

/// The CPU time of one job, and its limit.
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
            // The job may run on all cores at once, and use up the rest in a fraction of that time.
            Some(left) if !left.is_zero() => now + (left / self.cores).max(CPU_CHECK_INTERVAL_MIN),
            _ => now,
        };
        Some((Kill::CpuTime, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_of_workers_lie_ten_percent_around_the_configured_ones() {
        let now = Instant::now();
        let config = Config::default().recycle_after(1000).recycle_age(Duration::from_secs(1000));
        let limits: Vec<u64> = (1..=100).filter_map(|seed| Recycling::new(&config, seed, now).jobs).collect();
        assert!(limits.iter().all(|jobs| (900..=1100).contains(jobs)), "{limits:?}");
        assert!(limits.iter().min() < Some(&920) && limits.iter().max() > Some(&1080), "{limits:?}");
        let recycling = Recycling::new(&config, 7, now);
        assert!(!recycling.is_reached(899, now + Duration::from_secs(899)));
        assert!(recycling.is_reached(1100, now) && recycling.is_reached(0, now + Duration::from_secs(1100)));
    }

    #[test]
    fn without_limits_a_worker_is_replaced_only_for_its_memory() {
        let now = Instant::now();
        let mut recycling = Recycling::new(&Config::default(), 1, now);
        assert!(!recycling.is_reached(u64::MAX, now + Duration::from_secs(1 << 30)));
        recycling.is_large = true;
        assert!(recycling.is_reached(0, now));
    }
}
