//! How many workers a pool wants, as a plain value.
//!
//! Owns the target, which grows while jobs wait and shrinks while workers are idle, and the slots of the
//! workers. Leaves which worker leaves to `rules`. Invariant: at most as many workers as the largest size,
//! the spare workers and one replacement.

use std::collections::BTreeSet;

use crate::config::Size;

#[derive(Debug)]
pub(crate) struct Scale {
    size: Size,
    spares: usize,
    /// Workers that may run jobs at the same time now.
    target: usize,
    /// Workers that the next growth adds; doubled each time, so that a burst gets workers quickly.
    step: usize,
    /// Whether one more worker is wanted as a replacement.
    pub(crate) is_replacing: bool,
    /// Slots with a worker that is ready or being started.
    filled: BTreeSet<usize>,
    /// Slots whose worker was dismissed and has not exited yet.
    leaving: BTreeSet<usize>,
}

impl Scale {
    pub(crate) fn new(size: Size, spares: usize) -> Self {
        Scale {
            size,
            spares,
            target: size.min,
            step: 1,
            is_replacing: false,
            filled: BTreeSet::new(),
            leaving: BTreeSet::new(),
        }
    }

    pub(crate) fn slots(&self) -> usize {
        self.size.max + self.spares + 1
    }

    /// Returns how many workers may run jobs at the same time now.
    pub(crate) fn target(&self) -> usize {
        self.target
    }

    /// Returns how many workers are started with the pool.
    pub(crate) fn at_first(&self) -> usize {
        self.size.min + if self.size.min == 0 { 0 } else { self.spares }
    }

    /// Returns how many jobs could run now, or as soon as idle slots are filled: the largest size, less the
    /// workers that are being started, for the first time or again. `room` is the number of workers for which
    /// there is memory, beyond the `ready` ones.
    pub(crate) fn capacity(&self, ready: usize, room: Option<usize>) -> usize {
        let capacity = self.size.max - self.target.saturating_sub(ready);
        room.map_or(capacity, |room| capacity.min(ready.saturating_add(room)))
    }

    pub(crate) fn may_grow(&self) -> bool {
        self.target < self.size.max
    }

    pub(crate) fn may_shrink(&self) -> bool {
        self.target > self.size.min
    }

    pub(crate) fn spares(&self) -> usize {
        // A pool without workers has no spare workers.
        if self.target == 0 { 0 } else { self.spares }
    }

    pub(crate) fn filled(&self) -> impl Iterator<Item = usize> {
        self.filled.iter().copied()
    }

    fn wanted(&self) -> usize {
        self.target + self.spares() + usize::from(self.is_replacing)
    }

    /// Returns how many workers are surplus.
    pub(crate) fn excess(&self) -> usize {
        self.filled.len().saturating_sub(self.wanted())
    }

    /// Fills the first free slots with the missing workers; returns the slots.
    ///
    /// If there are too few free slots, the rest is filled when a dismissed worker has exited.
    pub(crate) fn fill(&mut self) -> Vec<usize> {
        let missing = self.wanted().saturating_sub(self.filled.len());
        let is_free = |slot: &usize| !self.filled.contains(slot) && !self.leaving.contains(slot);
        let slots: Vec<usize> = (1..=self.slots()).filter(is_free).take(missing).collect();
        self.filled.extend(&slots);
        slots
    }

    pub(crate) fn leave(&mut self, slot: usize) {
        if self.filled.remove(&slot) {
            self.leaving.insert(slot);
        }
    }

    /// Notes that the worker of a slot has exited; returns whether the slot is to be filled again.
    pub(crate) fn refill(&mut self, slot: usize) -> bool {
        if self.leaving.remove(&slot) {
            return false;
        }
        let is_wanted = self.filled.len() <= self.wanted();
        if !is_wanted {
            self.filled.remove(&slot);
        }
        is_wanted
    }

    /// Raises the target, because this many jobs wait.
    pub(crate) fn grow(&mut self, waiting: usize) {
        let more = self.step.min(waiting).min(self.size.max - self.target);
        self.target += more;
        self.step = self.step.saturating_mul(2);
    }

    pub(crate) fn is_met(&mut self) {
        self.step = 1;
    }

    pub(crate) fn shrink(&mut self) {
        self.target = self.target.saturating_sub(1).max(self.size.min);
    }

    /// Lowers the target to the number of ready workers, but not below the smallest size.
    pub(crate) fn settle_for(&mut self, ready: usize) {
        self.target = self.target.min(ready.max(self.size.min));
        self.step = 1;
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
        for (min, max, spares, started) in [(4, 4, 1, 5), (2, 8, 2, 4), (0, 8, 3, 0), (1, 1, 3, 4)] {
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
        assert!(scale.fill().is_empty(), "each slot is filled once");
    }

    #[test]
    fn the_capacity_is_the_largest_size_less_what_is_being_started_or_has_no_memory() {
        for (target, ready, room, capacity) in [
            (4, 4, None, 8),
            (4, 5, None, 8),
            (4, 3, None, 7),
            (8, 3, None, 3),
            (8, 0, None, 0),
            (0, 0, None, 8),
            (4, 4, Some(9), 8),
            (4, 4, Some(2), 6),
            (4, 4, Some(0), 4),
            (8, 3, Some(0), 3),
            (0, 0, Some(usize::MAX), 8),
        ] {
            let scale = Scale { target, ..Scale::new((0..=8).into(), 1) };
            assert_eq!(scale.capacity(ready, room), capacity, "{ready} of {target} are ready, with room for {room:?}");
        }
    }

    #[test]
    fn a_slot_whose_worker_has_exited_is_filled_again_unless_there_are_too_many() {
        let mut scale = filled(0..=3, 1);
        scale.grow(1);
        assert_eq!(scale.fill(), [1, 2]);
        assert!(scale.refill(1));
        scale.shrink();
        assert_eq!(scale.excess(), 2, "the last worker leaves with its spare");
        scale.leave(2);
        assert_eq!(scale.excess(), 1);
        assert!(!scale.refill(2) && !scale.refill(1));
        assert_eq!(scale.filled.len(), 0);
    }

    #[test]
    fn a_slot_is_not_filled_before_its_last_worker_has_left_it() {
        let mut scale = filled(0..=1, 0);
        scale.grow(1);
        assert_eq!(scale.fill(), [1]);
        for expected in [[2], [1]] {
            let slot = 3 - expected[0];
            scale.shrink();
            scale.leave(slot);
            scale.grow(1);
            assert_eq!(scale.fill(), expected);
            assert!(!scale.refill(slot));
        }
    }

    #[test]
    fn after_a_failed_start_the_pool_wants_its_ready_workers_or_its_smallest_size() {
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
        scale.is_replacing = true;
        assert_eq!(scale.fill(), [3]);
        scale.is_replacing = false;
        assert_eq!(scale.excess(), 1);
        assert!(!scale.refill(1));
        assert!(scale.refill(2));
    }
}
