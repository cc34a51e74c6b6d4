//! Jobs that kill: who sends one again and again is refused.
//!
//! Owns the fingerprints of jobs that workers have died of. Leaves clocks to the callers. Rule: it remembers a bounded
//! number for a bounded time, and a job is refused only if it has killed as often as the limit says.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    time::Instant,
};

use crate::config::{CHUNK_BYTES_MAX, POISON_DEATHS, POISON_ENTRIES_MAX, POISON_MEMORY};

/// What jobs are known by, keyed by chance, so that nobody can make a job that is taken for another's.
#[derive(Debug, Default)]
pub(crate) struct Fingerprints(RandomState);

impl Fingerprints {
    /// Returns what a job is known by: what it is called and what it begins with.
    pub(crate) fn of(&self, label: &str, head: &[u8], body: &[u8]) -> u64 {
        self.0.hash_one((label, head, &body[..body.len().min(CHUNK_BYTES_MAX)]))
    }
}

/// The deaths of one pool, by what they died of.
#[derive(Debug, Default)]
pub(crate) struct Poison {
    deaths: HashMap<u64, Deaths>,
    /// When the last worker has died of a job.
    last: Option<Instant>,
}

#[derive(Debug)]
struct Deaths {
    count: u32,
    last: Instant,
}

impl Poison {
    pub(crate) fn is_empty(&self) -> bool {
        self.deaths.is_empty()
    }

    /// Notes that a worker has died of this job.
    pub(crate) fn killed(&mut self, fingerprint: u64, now: Instant) {
        self.forget(now);
        if self.deaths.len() >= POISON_ENTRIES_MAX
            && !self.deaths.contains_key(&fingerprint)
            && let Some(oldest) = self.deaths.iter().min_by_key(|(_, d)| d.last).map(|(print, _)| *print)
        {
            self.deaths.remove(&oldest);
        }
        let deaths = self.deaths.entry(fingerprint).or_insert(Deaths { count: 0, last: now });
        deaths.count += 1;
        deaths.last = now;
        self.last = Some(now);
    }

    /// Tells whether this job has killed often enough. Each job is asked about while anything is in here, so this looks at one only.
    pub(crate) fn is_refused(&mut self, fingerprint: u64, now: Instant) -> bool {
        if self.last.is_some_and(|last| !is_remembered(last, now)) {
            self.deaths.clear();
        }
        self.deaths
            .get(&fingerprint)
            .is_some_and(|deaths| deaths.count >= POISON_DEATHS && is_remembered(deaths.last, now))
    }

    fn forget(&mut self, now: Instant) {
        self.deaths.retain(|_, deaths| is_remembered(deaths.last, now));
    }
}

fn is_remembered(last: Instant, now: Instant) -> bool {
    now.saturating_duration_since(last) < POISON_MEMORY
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_job_is_refused_after_its_second_death_and_for_a_while() {
        let (mut poison, now) = (Poison::default(), Instant::now());
        assert!(!poison.is_refused(1, now));
        poison.killed(1, now);
        assert!(!poison.is_refused(1, now));
        poison.killed(1, now);
        assert!(poison.is_refused(1, now) && !poison.is_refused(2, now));
        assert!(!poison.is_refused(1, now + POISON_MEMORY));
        assert!(poison.is_empty());
        poison.killed(1, now);
        poison.killed(1, now);
        poison.killed(2, now + POISON_MEMORY / 2);
        assert!(!poison.is_refused(1, now + POISON_MEMORY), "another's death does not lengthen the memory of this one");
    }

    #[test]
    fn deaths_that_lie_far_apart_do_not_add_up() {
        let (mut poison, now) = (Poison::default(), Instant::now());
        (0..9).for_each(|n| poison.killed(1, now + n * POISON_MEMORY));
        assert!(!poison.is_refused(1, now + 8 * POISON_MEMORY));
    }

    #[test]
    fn it_forgets_the_oldest_rather_than_grow() {
        let (mut poison, now) = (Poison::default(), Instant::now());
        for n in 0..3 * POISON_ENTRIES_MAX as u64 {
            let at = now + Duration::from_micros(n);
            poison.killed(n, at);
            poison.killed(n, at);
        }
        let last = now + Duration::from_secs(1);
        assert_eq!(poison.deaths.len(), POISON_ENTRIES_MAX);
        assert!(!poison.is_refused(0, last) && poison.is_refused(3 * POISON_ENTRIES_MAX as u64 - 1, last));
    }

    #[test]
    fn what_differs_in_any_part_has_another_fingerprint() {
        let prints = [("a", "b", "c"), ("ab", "", "c"), ("a", "bc", ""), ("a", "b", "d")];
        let fingerprints = Fingerprints::default();
        let prints = prints.map(|(label, head, body)| fingerprints.of(label, head.as_bytes(), body.as_bytes()));
        assert!(prints.iter().enumerate().all(|(at, print)| !prints[at + 1..].contains(print)));
    }
}
