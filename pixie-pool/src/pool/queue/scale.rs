//! How many workers a pool wants, as plain values.
//!
//! Owns the number of workers that may run jobs, which grows with the jobs that wait and shrinks with those that do not come, and
//! the places that workers fill. Leaves which worker goes to `schedule`. Rule: there are never more workers than the largest
//! size, the spares, and the one whose replacement is being started.

use std::collections::BTreeSet;

use crate::config::Size;

#[derive(Debug)]
pub(crate) struct Scale {
    size: Size,
    spares: usize,
    /// Workers that may run jobs at the same time now.
    target: usize,
    /// How many the next growth adds: doubled each time, so that a burst is met quickly and a trickle does not start a crowd.
    step: usize,
    /// Whether one more is wanted, because workers are to be replaced.
    is_turning: bool,
    /// Places where a worker is, or is being started.
    filled: BTreeSet<usize>,
    /// Places whose worker was sent away and has not ended yet.
    leaving: BTreeSet<usize>,
}

impl Scale {
    pub(crate) fn new(size: Size, spares: usize) -> Self {
        Scale {
            size,
            spares,
            target: size.min,
            step: 1,
            is_turning: false,
            filled: BTreeSet::new(),
            leaving: BTreeSet::new(),
        }
    }

    /// Returns how many places there are.
    pub(crate) fn places(&self) -> usize {
        self.size.max + self.spares + 1
    }

    /// Returns how many workers may run jobs at the same time now.
    pub(crate) fn target(&self) -> usize {
        self.target
    }

    /// Returns how many workers are started with the pool.
    pub(crate) fn at_first(&self) -> usize {
        self.size.min + self.spares.min(self.size.min)
    }

    pub(crate) fn may_grow(&self) -> bool {
        self.target < self.size.max
    }

    pub(crate) fn may_shrink(&self) -> bool {
        self.target > self.size.min
    }

    pub(crate) fn spares(&self) -> usize {
        // A pool without any worker has nothing to be spare for.
        self.spares.min(self.target)
    }

    pub(crate) fn filled(&self) -> impl Iterator<Item = usize> {
        self.filled.iter().copied()
    }

    fn wanted(&self) -> usize {
        self.target + self.spares() + usize::from(self.is_turning)
    }

    /// Returns how many workers there are too many.
    pub(crate) fn excess(&self) -> usize {
        self.filled.len().saturating_sub(self.wanted())
    }

    /// Fills the first free places with the workers that are missing; returns them.
    ///
    /// Those that find no place get one when a worker that was sent away has left its own.
    pub(crate) fn fill(&mut self) -> Vec<usize> {
        let missing = self.wanted().saturating_sub(self.filled.len());
        let is_free = |place: &usize| !self.filled.contains(place) && !self.leaving.contains(place);
        let places: Vec<usize> = (1..=self.places()).filter(is_free).take(missing).collect();
        self.filled.extend(&places);
        places
    }

    /// Notes that the worker of a place was sent away.
    pub(crate) fn leave(&mut self, place: usize) {
        if self.filled.remove(&place) {
            self.leaving.insert(place);
        }
    }

    /// Notes that the worker of a place has ended; true if the place is to be filled again.
    pub(crate) fn refill(&mut self, place: usize) -> bool {
        if self.leaving.remove(&place) {
            return false;
        }
        let is_wanted = self.filled.len() <= self.wanted();
        if !is_wanted {
            self.filled.remove(&place);
        }
        is_wanted
    }

    /// Lets more workers run, because so many jobs have waited for long.
    pub(crate) fn grow(&mut self, waiting: usize) {
        let more = self.step.min(waiting).min(self.size.max - self.target);
        self.target += more;
        self.step = self.step.saturating_mul(2);
    }

    /// Notes that no job waits any more.
    pub(crate) fn is_met(&mut self) {
        self.step = 1;
    }

    /// Lets one worker less run.
    pub(crate) fn shrink(&mut self) {
        self.target = self.target.saturating_sub(1).max(self.size.min);
    }

    /// Wants no more workers than are ready, unless that is less than the smallest size.
    pub(crate) fn settle_for(&mut self, ready: usize) {
        self.target = self.target.min(ready.max(self.size.min));
        self.step = 1;
    }

    /// Wants one worker more, as the replacement of another.
    pub(crate) fn turn(&mut self) {
        self.is_turning = true;
    }

    /// Notes that no worker has to be replaced any more.
    pub(crate) fn turned(&mut self) {
        self.is_turning = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(size: impl Into<Size>, spares: usize) -> Scale {
        let mut scale = Scale::new(size.into(), spares);
        scale.fill();
        scale
    }

    #[test]
    fn a_pool_starts_with_its_smallest_size_and_its_spares() {
        for (min, max, spares, started) in [(4, 4, 1, 5), (2, 8, 2, 4), (0, 8, 3, 0), (1, 1, 3, 2)] {
            let scale = filled(min..=max, spares);
            assert_eq!((scale.filled.len(), scale.at_first()), (started, started), "{min}..={max} and {spares}");
        }
    }

    #[test]
    fn it_grows_by_more_each_time_but_never_beyond_what_waits_or_its_largest_size() {
        let mut scale = filled(1..=20, 1);
        let targets: Vec<usize> = [9, 9, 9, 3, 9]
            .map(|waiting| {
                scale.grow(waiting);
                scale.target()
            })
            .into();
        assert_eq!(targets, [2, 4, 8, 11, 20]);
        assert_eq!(scale.fill(), (3..=21).collect::<Vec<_>>());
        assert!(scale.fill().is_empty(), "they are asked for once");
    }

    #[test]
    fn a_place_whose_worker_has_ended_is_filled_again_unless_there_are_too_many() {
        let mut scale = filled(0..=3, 1);
        scale.grow(1);
        assert_eq!(scale.fill(), [1, 2]);
        assert!(scale.refill(1));
        scale.shrink();
        assert_eq!(scale.excess(), 2, "the last one takes its spare along");
        scale.leave(2);
        assert_eq!(scale.excess(), 1);
        assert!(!scale.refill(2) && !scale.refill(1));
        assert_eq!(scale.filled.len(), 0);
    }

    #[test]
    fn a_place_is_not_filled_before_its_last_worker_has_left_it() {
        let mut scale = filled(0..=1, 0);
        scale.grow(1);
        assert_eq!(scale.fill(), [1]);
        for expected in [[2], [1]] {
            let place = 3 - expected[0];
            scale.shrink();
            scale.leave(place);
            scale.grow(1);
            assert_eq!(scale.fill(), expected);
            assert!(!scale.refill(place));
        }
    }

    #[test]
    fn what_could_not_be_started_is_not_wanted_any_more_beyond_the_smallest_size() {
        for (min, ready, target) in [(0, 0, 0), (0, 1, 1), (2, 0, 2), (2, 3, 3), (0, 9, 4)] {
            let mut scale = filled(min..=4, 1);
            while scale.may_grow() {
                scale.grow(4);
            }
            scale.settle_for(ready);
            assert_eq!(scale.target(), target, "{ready} of {min} to 4 are ready");
        }
    }

    #[test]
    fn a_replacement_is_one_more_for_as_long_as_it_takes() {
        let mut scale = filled(2, 0);
        scale.turn();
        assert_eq!(scale.fill(), [3]);
        scale.turned();
        assert_eq!(scale.excess(), 1);
        assert!(!scale.refill(1));
        assert!(scale.refill(2));
    }
}
