//! When a worker has done enough.
//!
//! Owns the limits after which one worker is replaced, a little different for each, so that not all go at once. Leaves how it goes
//! to `schedule`. Rule: a limit that is not set never wears anybody out.

use std::time::{Duration, Instant};

use crate::config::Config;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Wear {
    jobs: Option<u64>,
    until: Option<Instant>,
    /// Whether it was seen with more memory than it should keep.
    is_large: bool,
}

impl Wear {
    /// The limits of a worker that starts now; `seed` says how far from the configured ones they lie.
    pub(crate) fn new(config: &Config, seed: u32, now: Instant) -> Self {
        // Per mille, from 900 to 1100: neighbours in number lie far apart.
        let share = 900 + seed.wrapping_mul(0x9e37_79b1) / (u32::MAX / 201 + 1);
        let jobs = config.recycle_after.map(|jobs| (jobs.saturating_mul(share.into()) / 1000).max(1));
        let age = |age: Duration| now + age.saturating_mul(share) / 1000;
        Wear { jobs, until: config.recycle_age.map(age), is_large: false }
    }

    /// Returns when its age is reached.
    pub(crate) fn until(&self) -> Option<Instant> {
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
        let limits: Vec<u64> = (1..=100).filter_map(|seed| Wear::new(&config, seed, now).jobs).collect();
        assert!(limits.iter().all(|jobs| (900..=1100).contains(jobs)), "{limits:?}");
        assert!(limits.iter().min() < Some(&920) && limits.iter().max() > Some(&1080), "{limits:?}");
        let wear = Wear::new(&config, 7, now);
        assert!(!wear.is_reached(899, now + Duration::from_secs(899)));
        assert!(wear.is_reached(1100, now) && wear.is_reached(0, now + Duration::from_secs(1100)));
    }

    #[test]
    fn without_limits_nobody_wears_out_but_by_size() {
        let now = Instant::now();
        let mut wear = Wear::new(&Config::default(), 1, now);
        assert!(!wear.is_reached(u64::MAX, now + Duration::from_secs(1 << 30)));
        wear.found_large();
        assert!(wear.is_reached(0, now));
    }
}
