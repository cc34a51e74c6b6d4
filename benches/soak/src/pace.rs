//! Decides when the next fast fault is due, at a steady rate.
//!
//! The first connection that asks when a fault is due sends it. Faults that were not sent in time are
//! dropped, so that a burst does not follow a pause.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

/// Faults that may be due at once.
const BURST: u64 = 4;

/// A steady rate of faults from a start time on.
#[derive(Debug)]
pub(crate) struct Pace {
    since: Instant,
    per_second: f64,
    given: AtomicU64,
}

impl Pace {
    /// Returns a rate that starts now.
    pub(crate) fn new(per_second: f64) -> Self {
        Pace { since: Instant::now(), per_second, given: AtomicU64::new(0) }
    }

    /// Returns the number of the fault that is due at `now`, if one is.
    pub(crate) fn take(&self, now: Instant) -> Option<u64> {
        let due = (now.saturating_duration_since(self.since).as_secs_f64() * self.per_second) as u64;
        let next = |given: u64| (given < due).then(|| given.max(due.saturating_sub(BURST)) + 1);
        let taken = self.given.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok()?;
        next(taken)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn faults_come_at_their_rate_and_a_pause_is_not_made_up_for() {
        let pace = Pace::new(10.0);
        let at = |ms| pace.since + Duration::from_millis(ms);
        assert_eq!(pace.take(at(50)), None);
        assert_eq!(pace.take(at(150)), Some(1));
        assert_eq!(pace.take(at(150)), None);
        let after_pause: Vec<_> = (0..6).map_while(|_| pace.take(at(10_050))).collect();
        assert_eq!(after_pause, [97, 98, 99, 100]);
    }
}
