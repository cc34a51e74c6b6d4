//! `Rate` and `Allowance`: a token bucket, computed without a clock.
//!
//! The bucket is one number: the time at which it will be full again (the generic cell rate algorithm). The
//! script for Redis in `backend/redis/scripts.rs` computes the same.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Longest time that an empty bucket takes to fill, in microseconds: 10 years. Keeps the arithmetic exact,
/// also in the floating-point numbers of Redis scripts.
const FILL_US_MAX: u64 = 10 * 365 * 24 * 3600 * 1_000_000;

/// How often something may happen: `count` times in `per`, and up to `burst` times at once.
///
/// ```
/// use std::time::Duration;
/// use pixie_store::Rate;
/// let five_a_minute = Rate::new(5, Duration::from_secs(60));
/// let with_bursts = five_a_minute.burst(20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Rate {
    /// Time in which one use comes back, in microseconds. At least 1.
    pub(crate) interval_us: u64,
    /// Uses of a full bucket. At least 1.
    pub(crate) burst: u32,
}

impl Rate {
    /// Returns a rate of `count` uses in each `per`, which may come all at once. A count of 0 is taken as 1.
    pub fn new(count: u32, per: Duration) -> Rate {
        let count = count.max(1);
        let per_us = u64::try_from(per.as_micros()).unwrap_or(u64::MAX);
        Rate { interval_us: per_us / u64::from(count), burst: count }.checked()
    }

    /// Sets how many uses may come at once; by default `count` of [`new`](Self::new). 0 is taken as 1.
    pub fn burst(self, uses: u32) -> Rate {
        Rate { burst: uses, ..self }.checked()
    }

    /// Returns the rate with its numbers brought into the range that the arithmetic needs.
    pub(crate) fn checked(self) -> Rate {
        let burst = self.burst.max(1);
        Rate { interval_us: self.interval_us.clamp(1, FILL_US_MAX / u64::from(burst)), burst }
    }

    /// Takes one use at the time `now_us` out of a bucket that will be full at `full_us`. Returns the answer,
    /// and when the bucket will be full afterwards. Times are in microseconds.
    pub(crate) fn take(self, full_us: Option<u64>, now_us: u64) -> (Allowance, u64) {
        let before = full_us.unwrap_or(now_us).max(now_us);
        let after = before.saturating_add(self.interval_us);
        let latest = now_us + self.interval_us * u64::from(self.burst);
        match after <= latest {
            true => (self.allowance(true, latest - after, after - now_us, 0), after),
            false => (self.allowance(false, 0, before - now_us, after - latest), before),
        }
    }

    pub(crate) fn allowance(self, is_allowed: bool, left_us: u64, reset_us: u64, retry_us: u64) -> Allowance {
        Allowance {
            is_allowed,
            remaining: u32::try_from(left_us / self.interval_us).unwrap_or(u32::MAX),
            reset_after: Duration::from_micros(reset_us),
            retry_after: Duration::from_micros(retry_us),
        }
    }
}

/// What [`Store::take`](crate::Store::take) answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Allowance {
    /// Whether this use is within the rate.
    pub is_allowed: bool,
    /// How many more uses are allowed at this moment.
    pub remaining: u32,
    /// Time until all uses are allowed again.
    pub reset_after: Duration,
    /// Time until the next use is allowed; zero if this use was allowed.
    pub retry_after: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn a_burst_is_allowed_then_one_use_in_each_interval() {
        let rate = Rate::new(60, Duration::from_secs(60)).burst(3);
        let (mut full, mut now) = (None, 1_000 * SECOND);
        let mut take = |now| {
            let (allowance, after) = rate.take(full, now);
            full = Some(after);
            (allowance.is_allowed, allowance.remaining, allowance.retry_after.as_millis())
        };
        assert_eq!(take(now), (true, 2, 0));
        assert_eq!(take(now), (true, 1, 0));
        assert_eq!(take(now), (true, 0, 0));
        assert_eq!(take(now), (false, 0, 1000));
        now += SECOND / 4;
        assert_eq!(take(now), (false, 0, 750));
        now += 3 * SECOND / 4;
        assert_eq!(take(now), (true, 0, 0));
        now += 100 * SECOND;
        assert_eq!(take(now), (true, 2, 0));
    }

    #[test]
    fn extreme_rates_do_not_overflow() {
        let rates = [
            Rate::new(0, Duration::ZERO),
            Rate::new(u32::MAX, Duration::MAX).burst(u32::MAX),
            Rate::new(1, Duration::MAX).burst(u32::MAX),
            Rate { interval_us: u64::MAX, burst: 0 }.checked(),
        ];
        for rate in rates {
            let (first, full) = rate.take(None, 1_800_000_000 * SECOND);
            assert!(first.is_allowed, "{rate:?}");
            rate.take(Some(full), 0);
            rate.take(Some(u64::MAX), 1_800_000_000 * SECOND);
        }
    }
}
