//! What one worker has used up: its jobs, its age and memory, the CPU time of one job.
//!
//! Owns plain values, from which recycling and limits are computed. Leaves the
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

/// When a worker is replaced for its jobs, age or memory. The replacements of several workers are spread: the
/// age varies by 10 %, and the replacement for the number of jobs is ordered up to 20 % earlier.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recycling {
    jobs: Option<u64>,
    jobs_max: u64,
    pub(crate) until: Option<Instant>,
    /// Whether a check found the worker above `recycle_memory`, or with threads that its jobs have left.
    pub(crate) is_large: bool,
}

impl Recycling {
    /// Creates the limits of a worker that starts now; `seed` decides how far they are from the settings.
    pub(crate) fn new(config: &Config, seed: u32, now: Instant) -> Self {
        // Per mille, from 900 to 1100; consecutive seeds give distant values.
        let share = 900 + seed.wrapping_mul(0x9e37_79b1) / (u32::MAX / 201 + 1);
        let jobs = |jobs: usize| ((jobs as u64).saturating_mul((share - 100).into()) / 1000).max(1);
        let age = |age: Duration| now + age.saturating_mul(share) / 1000;
        Recycling {
            jobs: config.recycle_after.map(jobs),
            jobs_max: jobs_max(config),
            until: config.recycle_age.map(age),
            is_large: false,
        }
    }

    /// Returns whether the worker must not get another job.
    pub(crate) fn is_used_up(&self, jobs: u64) -> bool {
        jobs >= self.jobs_max
    }

    pub(crate) fn is_reached(&self, jobs: u64, now: Instant) -> bool {
        self.is_large || self.jobs.is_some_and(|max| jobs >= max) || self.until.is_some_and(|until| now >= until)
    }
}

/// Returns how many jobs a worker may run.
pub(crate) fn jobs_max(config: &Config) -> u64 {
    config.recycle_after.map_or(u64::MAX, |jobs| (jobs as u64).max(1))
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
        // Asked only where it is needed: the answer takes several files of the system, at each start of a worker.
        let count = || available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1));
        let cores = limit.map_or(1, |_| count());
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

    /// Begins with the CPU time that the worker had when it claimed the job.
    pub(crate) fn begin_at(&mut self, before: Duration) {
        self.before = before;
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
    fn the_limits_of_workers_are_spread() {
        let now = Instant::now();
        let config = Config::default().recycle_after(1000).recycle_age(Duration::from_secs(1000));
        let all = (1..=100).map(|seed| Recycling::new(&config, seed, now));
        let limits: Vec<u64> = all.filter_map(|recycling| recycling.jobs).collect();
        assert!(limits.iter().all(|jobs| (800..=1000).contains(jobs)), "{limits:?}");
        assert!(limits.iter().min() < Some(&820) && limits.iter().max() > Some(&980), "{limits:?}");
        let recycling = Recycling::new(&config, 7, now);
        assert!(!recycling.is_reached(799, now + Duration::from_secs(899)) && !recycling.is_used_up(999));
        assert!(recycling.is_reached(1000, now) && recycling.is_reached(0, now + Duration::from_secs(1100)));
        assert!(recycling.is_used_up(1000) && !Recycling::new(&Config::default(), 7, now).is_used_up(1_000_000));
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
