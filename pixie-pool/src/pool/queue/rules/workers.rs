//! The rules about workers: ready, replaced, surplus, exited, not started.
//!
//! Leaves how many workers there are to `scale` and when the next one is started to `restarts`. Invariant: a
//! dismissed worker loses no job: a leased one has none, and one that reads the shared queue ends it first.

use std::time::{Duration, Instant};

use super::{Listed, Rules};
use crate::{
    config::{GROW_AFTER, SURPLUS_CHECK_INTERVAL},
    pool::{connection::earlier, queue::restarts::Reached},
};

/// A worker as the rules see it.
pub(crate) trait Reader {
    /// Returns whether a worker that takes jobs from the shared queue runs one, as far as is known.
    fn is_busy(&self) -> bool;
}

impl<W: Clone + PartialEq + Reader, J: PartialEq> Rules<W, J> {
    pub(crate) fn workers(&self) -> impl ExactSizeIterator<Item = &W> {
        self.workers.iter().map(|listed| &listed.worker)
    }

    pub(super) fn slot_of(&self, worker: &W) -> Option<usize> {
        self.workers.iter().find(|listed| listed.worker == *worker).map(|listed| listed.slot)
    }

    /// Returns whether workers are being started while no worker is ready.
    pub(super) fn is_starting(&self) -> bool {
        self.workers.is_empty() && self.scale.filled().next().is_some()
    }

    /// Returns whether the circuit breaker is open: jobs are refused because workers do not start.
    pub(crate) fn is_broken(&self) -> bool {
        self.has_breaker && self.restarts.is_broken()
    }

    /// Returns why no job can run now, if the workers are the reason.
    pub(crate) fn trouble(&self) -> Option<&'static str> {
        match () {
            () if self.is_broken() => Some("its workers do not start, so it refuses jobs"),
            () if self.workers.is_empty() && self.restarts.is_failing() => Some("no worker could be started"),
            () => None,
        }
    }

    /// Adds a ready worker; returns those that leave because it is ready.
    pub(crate) fn add(&mut self, worker: &W, slot: usize, now: Instant) -> Vec<W> {
        self.restarts.ready();
        self.workers.push(Listed { worker: worker.clone(), slot, is_open: false });
        self.free.add(worker.clone(), slot, now);
        self.dismiss_idle()
    }

    /// Marks as many workers as may run jobs, and returns those that have to be told.
    pub(crate) fn open(&mut self, now: Instant) -> Vec<W> {
        if !self.free.is_shared() {
            return Vec::new();
        }
        let missing = self.scale.target().saturating_sub(self.workers.iter().filter(|listed| listed.is_open).count());
        let is_new = |listed: &&mut Listed<W>| !listed.is_open && !self.replaced.contains(&listed.slot);
        let opened: Vec<W> = self
            .workers
            .iter_mut()
            .filter(is_new)
            .take(missing)
            .map(|listed| {
                listed.is_open = true;
                listed.worker.clone()
            })
            .collect();
        opened.iter().for_each(|_| self.free.opened(now));
        opened
    }

    /// Removes an exited worker; `was_open` tells whether one that was dismissed has read the shared
    /// socket. With
    /// `has_jobs`, its jobs pass until [`Rules::has_passed`].
    pub(crate) fn remove(&mut self, worker: &W, was_open: bool, has_jobs: bool) {
        self.passing += usize::from(has_jobs);
        let listed = self.workers.iter().find(|listed| listed.worker == *worker);
        let (slot, was_open) = listed.map_or((None, was_open), |listed| (Some(listed.slot), listed.is_open));
        if let Some(slot) = slot {
            self.remove_slot(slot);
        }
        if was_open {
            self.free.closed();
        }
    }

    fn remove_slot(&mut self, slot: usize) {
        self.workers.retain(|listed| listed.slot != slot);
        self.free.remove(slot);
        if self.replaced.remove(&slot) && self.replaced.is_empty() {
            self.scale.is_replacing = false;
        }
    }

    /// Notes a failed start; returns the pause before the next, and the queued jobs that are refused now.
    pub(crate) fn start_failed(&mut self) -> (Duration, Vec<J>) {
        let pause = self.restarts.exited(Reached::Nothing);
        let is_refusing = self.is_broken() && self.workers.is_empty();
        (pause, if is_refusing { self.clear() } else { Vec::new() })
    }

    /// Returns whether the next worker is to be started in a slot whose worker has exited or was not started.
    pub(crate) fn refill(&mut self, slot: usize) -> bool {
        // After a failed start, a pool without queued jobs is content with the workers that it has.
        if self.restarts.is_failing() && self.queue.is_empty() {
            self.scale.settle_for(self.workers.len());
        }
        self.scale.refill(slot)
    }

    /// Marks a worker for replacement, once; returns those that leave because its replacement is ready.
    pub(crate) fn replace(&mut self, worker: &W) -> Option<Vec<W>> {
        let slot = self.slot_of(worker).filter(|_| !self.is_stopping)?;
        if !self.replaced.insert(slot) {
            return None;
        }
        self.scale.is_replacing = true;
        Some(self.dismiss_idle())
    }

    /// Dismisses a worker that must not get another job; false if it has left already.
    pub(crate) fn retire(&mut self, worker: &W) -> bool {
        self.slot_of(worker).and_then(|slot| self.dismiss(slot)).is_some()
    }

    /// Returns whether there is a ready replacement for one of the workers that are to be replaced.
    pub(super) fn has_replacement(&self) -> bool {
        !self.replaced.is_empty() && self.workers.len() > self.scale.target() + self.scale.spares()
    }

    /// Allows more workers if the oldest queued job has waited too long; returns when to check again.
    pub(crate) fn grow(&mut self, now: Instant) -> Option<Instant> {
        // Also while the pool stops: an accepted job may wait for the only worker, which has crashed.
        let oldest = if self.scale.may_grow() { self.oldest() } else { None }?;
        // Without workers, waiting does not help.
        let due = if self.scale.target() == 0 { now } else { oldest + GROW_AFTER };
        if due > now {
            return Some(due);
        }
        self.scale.grow(self.queue.len());
        Some(now + GROW_AFTER)
    }

    /// Takes the workers that have been idle too long; returns them and when to check again.
    pub(crate) fn shrink(&mut self, now: Instant) -> (Vec<W>, Option<Instant>) {
        let mut gone = if self.has_surplus() { self.dismiss_idle() } else { Vec::new() };
        let due = loop {
            // Spare workers and a waiting replacement are always idle.
            let exempt = self.scale.spares() + usize::from(self.has_replacement());
            let since = self.free.surplus_since(self.scale.target(), exempt);
            let Some(since) = since.filter(|_| self.scale.may_shrink()) else {
                break None;
            };
            if since + self.idle_timeout > now {
                break Some(since + self.idle_timeout);
            }
            self.scale.shrink();
            gone.extend(self.dismiss_idle());
        };
        (gone, earlier(due, self.has_surplus().then(|| now + SURPLUS_CHECK_INTERVAL)))
    }

    /// Returns whether a worker is to leave that reads the shared queue. It may still seem to run a job
    /// whose reply has arrived, so it is looked at again.
    pub(crate) fn has_surplus(&self) -> bool {
        self.free.is_shared() && (self.scale.excess() > 0 || self.has_replacement())
    }

    /// Dismisses surplus workers and those whose replacement is ready, as far as they have no job.
    pub(crate) fn dismiss_idle(&mut self) -> Vec<W> {
        // In a leased pool the longest idle first, in a shared one those that the system wakes last.
        let mut candidates = self.free.idle();
        if self.free.is_shared() {
            let order = |listed: &&Listed<W>| (listed.is_open, !self.replaced.contains(&listed.slot));
            let mut newest: Vec<_> = self.workers.iter().rev().filter(|listed| !listed.worker.is_busy()).collect();
            newest.sort_by_key(order);
            candidates = newest.into_iter().map(|listed| listed.slot).collect();
        }
        // Workers that are being started may fail to, so they replace no ready one.
        let ready = self.workers.len().saturating_sub(self.scale.target() + self.scale.spares());
        let surplus = self.scale.excess().min(ready).min(candidates.len());
        let mut gone: Vec<W> = candidates.drain(..surplus).filter_map(|slot| self.dismiss(slot)).collect();
        for slot in candidates {
            if self.has_replacement() && self.replaced.contains(&slot) {
                gone.extend(self.dismiss(slot));
            }
        }
        gone
    }

    pub(super) fn dismiss(&mut self, slot: usize) -> Option<W> {
        let worker = self.workers.iter().find(|listed| listed.slot == slot).map(|listed| listed.worker.clone());
        self.scale.leave(slot);
        self.remove_slot(slot);
        worker
    }
}
