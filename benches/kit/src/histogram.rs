//! Counts millions of latencies in a few kilobytes.
//!
//! Buckets grow with the value, so that each percentile is exact to 1.6 %.

use std::time::Duration;

/// Buckets within each power of two, as a power of two.
const FINE_BITS: u32 = 6;
const FINE: usize = 1 << FINE_BITS;
/// Powers of two of a nanosecond above the exact buckets. The last one is longer than a day.
const POWERS: usize = 42;

/// How often each latency occurred.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    longest: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { counts: vec![0; FINE * POWERS], total: 0, longest: Duration::ZERO }
    }
}

impl Histogram {
    /// Counts one latency.
    pub fn add(&mut self, latency: Duration) {
        self.counts[bucket(latency)] += 1;
        self.total += 1;
        self.longest = self.longest.max(latency);
    }

    /// Adds the counts of another histogram.
    pub fn merge(&mut self, other: &Histogram) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        self.total += other.total;
        self.longest = self.longest.max(other.longest);
    }

    /// Returns how many latencies were counted.
    pub fn count(&self) -> u64 {
        self.total
    }

    /// Returns the longest latency.
    pub fn longest(&self) -> Duration {
        self.longest
    }

    /// Returns the latency that this share of all stays below, or `None` if there are none.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let wanted = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        let index = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        })?;
        Some(upper_end(index).min(self.longest))
    }
}

fn bucket(latency: Duration) -> usize {
    let ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
    let power = ns.checked_ilog2().unwrap_or(0).saturating_sub(FINE_BITS - 1);
    let fine = (ns >> power) as usize;
    // Below `FINE` a bucket is one nanosecond; above, each power uses the upper half of its buckets.
    (power as usize * FINE / 2 + fine).min(FINE * POWERS - 1)
}

fn upper_end(index: usize) -> Duration {
    let power = (index / (FINE / 2)).saturating_sub(1);
    let fine = index - power * FINE / 2;
    Duration::from_nanos(((fine as u64 + 1) << power) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_right_to_a_few_percent() {
        for ns in [1, 63, 64, 65, 1000, 12_345, 1_000_000, 987_654_321, 86_400_000_000_000] {
            let index = bucket(Duration::from_nanos(ns));
            let end = upper_end(index).as_nanos() as u64;
            assert!(end >= ns && end - ns <= ns / 30, "{ns} ends in {end}");
        }
    }

    #[test]
    fn quantiles_and_the_longest_are_those_of_what_was_added() {
        let mut first = Histogram::default();
        assert_eq!(first.quantile(0.5), None);
        (1..=50).for_each(|ms| first.add(Duration::from_millis(ms)));
        let mut all = Histogram::default();
        (51..=100).for_each(|ms| all.add(Duration::from_millis(ms)));
        all.merge(&first);
        assert_eq!((all.count(), all.longest()), (100, Duration::from_millis(100)));
        let ms = |share| all.quantile(share).unwrap().as_secs_f64() * 1e3;
        assert!((ms(0.5) - 50.0).abs() < 2.0 && (ms(0.99) - 99.0).abs() < 2.0);
        assert_eq!(all.quantile(1.0), Some(Duration::from_millis(100)));
    }
}
