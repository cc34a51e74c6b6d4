//! Repeat crashes: jobs that crashed several workers are refused for a while.
//!
//! Owns the fingerprints of jobs in crashes, as a plain value. Invariants: the number of fingerprints and the
//! time that they are kept are limited. A job is refused only after as many crashes as the limit says,
//! without an answer between them.

use std::{collections::HashMap, time::Instant};

use crate::config::{REPEAT_CRASH_ENTRIES_MAX, REPEAT_CRASH_MEMORY, REPEAT_CRASHES_MAX};

/// The crashes of one pool, by the fingerprint of the job that ran.
#[derive(Debug, Default)]
pub(crate) struct RepeatCrashes {
    crashes: HashMap<u64, Crashes>,
    last: Option<Instant>,
}

#[derive(Debug)]
struct Crashes {
    count: u32,
    last: Instant,
}

impl RepeatCrashes {
    pub(crate) fn is_empty(&self) -> bool {
        self.crashes.is_empty()
    }

    /// Notes a crash while this job ran.
    pub(crate) fn note(&mut self, fingerprint: u64, now: Instant) {
        self.crashes.retain(|_, crashes| is_remembered(crashes.last, now));
        if self.crashes.len() >= REPEAT_CRASH_ENTRIES_MAX
            && !self.crashes.contains_key(&fingerprint)
            && let Some(oldest) = self.crashes.iter().min_by_key(|(_, d)| d.last).map(|(print, _)| *print)
        {
            self.crashes.remove(&oldest);
        }
        let crashes = self.crashes.entry(fingerprint).or_insert(Crashes { count: 0, last: now });
        crashes.count += 1;
        crashes.last = now;
        self.last = Some(now);
    }

    /// Forgets the crashes of a job with this fingerprint, because one was answered: the job did not cause
    /// them, or not always.
    pub(crate) fn forget(&mut self, fingerprint: u64) {
        self.crashes.remove(&fingerprint);
    }

    /// Returns whether jobs with this fingerprint are refused. Called for each job while crashes are
    /// remembered, so it checks one entry.
    pub(crate) fn is_refused(&mut self, fingerprint: u64, now: Instant) -> bool {
        if self.last.is_some_and(|last| !is_remembered(last, now)) {
            self.crashes.clear();
        }
        self.crashes
            .get(&fingerprint)
            .is_some_and(|crashes| crashes.count >= REPEAT_CRASHES_MAX && is_remembered(crashes.last, now))
    }
}

fn is_remembered(last: Instant, now: Instant) -> bool {
    now.saturating_duration_since(last) < REPEAT_CRASH_MEMORY
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_job_is_refused_after_its_second_crash_and_for_a_while() {
        let (mut crashes, now) = (RepeatCrashes::default(), Instant::now());
        assert!(!crashes.is_refused(1, now));
        crashes.note(1, now);
        assert!(!crashes.is_refused(1, now));
        crashes.note(1, now);
        assert!(crashes.is_refused(1, now) && !crashes.is_refused(2, now));
        assert!(!crashes.is_refused(1, now + REPEAT_CRASH_MEMORY));
        assert!(crashes.is_empty());
        crashes.note(1, now);
        crashes.note(1, now);
        crashes.note(2, now + REPEAT_CRASH_MEMORY / 2);
        assert!(
            !crashes.is_refused(1, now + REPEAT_CRASH_MEMORY),
            "a crash of another job does not extend the refusal"
        );
    }

    #[test]
    fn an_answer_clears_the_crashes_of_its_job() {
        let (mut crashes, now) = (RepeatCrashes::default(), Instant::now());
        for _ in 0..5 {
            crashes.note(1, now);
            crashes.note(2, now);
            crashes.forget(1);
        }
        assert!(!crashes.is_refused(1, now) && crashes.is_refused(2, now));
    }

    #[test]
    fn crashes_that_are_far_apart_do_not_add_up() {
        let (mut crashes, now) = (RepeatCrashes::default(), Instant::now());
        (0..9).for_each(|n| crashes.note(1, now + n * REPEAT_CRASH_MEMORY));
        assert!(!crashes.is_refused(1, now + 8 * REPEAT_CRASH_MEMORY));
    }

    #[test]
    fn the_oldest_fingerprint_is_forgotten_at_the_limit() {
        let (mut crashes, now) = (RepeatCrashes::default(), Instant::now());
        for n in 0..3 * REPEAT_CRASH_ENTRIES_MAX as u64 {
            let at = now + Duration::from_micros(n);
            crashes.note(n, at);
            crashes.note(n, at);
        }
        let last = now + Duration::from_secs(1);
        assert_eq!(crashes.crashes.len(), REPEAT_CRASH_ENTRIES_MAX);
        assert!(!crashes.is_refused(0, last) && crashes.is_refused(3 * REPEAT_CRASH_ENTRIES_MAX as u64 - 1, last));
    }
}
