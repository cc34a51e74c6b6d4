//! The rules about workers: ready, replaced, surplus, exited, not started.
//!
//! Leaves how many workers there are to `scale` and when the next one is started to `restarts`. Invariant:
//! only a worker without a job is dismissed.

use std::time::{Duration, Instant};

use super::{IdleWorker, Rules};
use crate::{config::GROW_AFTER, pool::queue::restarts::Reached};

impl<W: Clone + PartialEq, J: PartialEq> Rules<W, J> {
    pub(crate) fn workers(&self) -> impl ExactSizeIterator<Item = &W> {
        self.workers.iter().map(|(worker, _)| worker)
    }

    pub(crate) fn is_idle(&self, worker: &W) -> bool {
        self.idle.iter().any(|idle| idle.worker == *worker)
    }

    pub(super) fn slot_of(&self, worker: &W) -> Option<usize> {
        self.workers.iter().find(|(listed, _)| listed == worker).map(|(_, slot)| *slot)
    }

    /// Returns whether workers are being started while no worker is ready.
    pub(super) fn is_starting(&self) -> bool {
        self.workers.is_empty() && self.scale.filled().next().is_some()
    }

    /// Returns whether the circuit breaker is open: jobs are refused because workers do not start.
    pub(crate) fn is_broken(&self) -> bool {
        self.has_breaker && self.restarts.is_broken()
    }

    /// Adds a ready worker; returns those that leave because it is ready.
    pub(crate) fn add(&mut self, worker: &W, slot: usize, now: Instant) -> Vec<W> {
        self.restarts.ready();
        self.workers.push((worker.clone(), slot));
        self.idle.push(IdleWorker { worker: worker.clone(), slot, since: now });
        self.dismiss_idle()
    }

    /// Removes an exited worker. With `has_jobs`, its jobs pass until [`Rules::has_passed`].
    pub(crate) fn remove(&mut self, worker: &W, has_jobs: bool) {
        self.passing += usize::from(has_jobs);
        if let Some(slot) = self.slot_of(worker) {
            self.remove_slot(slot);
        }
    }

    fn remove_slot(&mut self, slot: usize) {
        self.workers.retain(|(_, listed)| *listed != slot);
        let idle = self.idle.len();
        self.idle.retain(|idle| idle.slot != slot);
        if self.idle.len() == idle {
            self.busy -= 1;
        }
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

    /// Returns whether there is a ready replacement for one of the workers that are to be replaced.
    pub(super) fn has_replacement(&self) -> bool {
        !self.replaced.is_empty() && self.workers.len() > self.scale.target() + self.scale.spares()
    }

    /// Allows more workers if the first queued job has waited too long; returns when to check again.
    pub(crate) fn grow(&mut self, now: Instant) -> Option<Instant> {
        // Also while the pool stops: an accepted job may wait for the only worker, which has crashed.
        let oldest = self.oldest().filter(|_| self.scale.may_grow())?;
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
        let mut gone = Vec::new();
        let due = loop {
            // Spare workers and a waiting replacement are always idle; the bottom of the stack is idle
            // longest.
            let exempt = self.scale.spares() + usize::from(self.has_replacement());
            let candidate = self.idle.get(exempt);
            let Some(since) = candidate.map(|idle| idle.since).filter(|_| self.scale.may_shrink()) else {
                break None;
            };
            if since + self.idle_timeout > now {
                break Some(since + self.idle_timeout);
            }
            self.scale.shrink();
            gone.extend(self.dismiss_idle());
        };
        (gone, due)
    }

    /// Dismisses surplus idle workers, the longest idle first, and idle workers whose replacement is ready.
    fn dismiss_idle(&mut self) -> Vec<W> {
        let surplus = self.scale.excess().min(self.idle.len());
        let slots: Vec<usize> = self.idle[..surplus].iter().map(|idle| idle.slot).collect();
        let mut gone: Vec<W> = slots.into_iter().filter_map(|slot| self.dismiss(slot)).collect();
        while self.has_replacement()
            && let Some(idle) = self.idle.iter().find(|idle| self.replaced.contains(&idle.slot))
        {
            let slot = idle.slot;
            gone.extend(self.dismiss(slot));
        }
        gone
    }

    pub(super) fn dismiss(&mut self, slot: usize) -> Option<W> {
        let worker = self.workers.iter().find(|(_, listed)| *listed == slot).map(|(worker, _)| worker.clone());
        self.scale.leave(slot);
        self.remove_slot(slot);
        worker
    }
}
