//! When a worker is replaced for its jobs, age or memory.
//!
//! Owns the limits of one worker, each up to 10 % off the setting, so that workers are not replaced at the
//! same time. Leaves the replacement to `queue::rules`. Invariant: a limit that is not set is never reached.

use std::time::{Duration, Instant};

use crate::config::Config;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Recycling {
    jobs: Option<u64>,
    until: Option<Instant>,
    /// Whether a memory check found the worker above `recycle_memory`.
    is_large: bool,
}

impl Recycling {
    /// Creates the limits of a worker that starts now; `seed` decides how far they are from the settings.
    pub(crate) fn new(config: &Config, seed: u32, now: Instant) -> Self {
        // Per mille, from 900 to 1100; consecutive seeds give distant values.
        let share = 900 + seed.wrapping_mul(0x9e37_79b1) / (u32::MAX / 201 + 1);
        let jobs = config.recycle_after.map(|jobs| (jobs.saturating_mul(share.into()) / 1000).max(1));
        let age = |age: Duration| now + age.saturating_mul(share) / 1000;
        Recycling { jobs, until: config.recycle_age.map(age), is_large: false }
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.until
    }

    pub(crate) fn found_large(&mut self) {
        self.is_large = true;
    }

    pub(crate) fn is_reached(&self, jobs: u64, now: Instant) -> bool {
        self.is_large || self.jobs.is_some_and(|max| jobs >= max) || self.until.is_some_and(|until| now >= until)
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
        recycling.found_large();
        assert!(recycling.is_reached(0, now));
    }
}
