//! Which workers are free for a job: known ones where jobs are leased, and only their number where all
//! workers read one queue.
//!
//! Owns the count of the jobs that were sent. Invariant: a leased worker has one job. The shared queue holds
//! only as many jobs that no worker has taken as workers have ended within the last moments, so that a job
//! waits where the pool decides about it, and short jobs still find the next one there.

use std::{collections::BTreeSet, time::Instant};

use crate::{
    config::{GROW_AFTER, PREFETCH_MAX},
    pool::queue::rules::Place,
};

#[derive(Debug)]
pub(super) enum Free<W> {
    Leased(Leased<W>),
    Shared(Shared),
}

#[derive(Debug)]
pub(super) struct Leased<W> {
    /// A stack: the worker that became idle last is leased first, because its caches are warm.
    idle: Vec<IdleWorker<W>>,
    busy: usize,
}

#[derive(Debug)]
struct IdleWorker<W> {
    worker: W,
    slot: usize,
    since: Instant,
}

#[derive(Debug)]
pub(super) struct Shared {
    /// Jobs that were sent and have not ended.
    sent: usize,
    /// Workers that read the socket, and dismissed ones that may still run a job.
    workers: usize,
    /// Jobs that may be sent beyond one per worker.
    prefetch: usize,
    prefetch_max: usize,
    /// Jobs that have ended since `counted_since`.
    ended: usize,
    counted_since: Option<Instant>,
    /// When more than this many jobs were sent, the last time.
    busy_at: Vec<Instant>,
}

impl Shared {
    /// Allows as many jobs in the shared queue as have ended per interval since the last count.
    fn count(&mut self, now: Instant) {
        let since = *self.counted_since.get_or_insert(now);
        let elapsed = now.saturating_duration_since(since);
        if elapsed >= GROW_AFTER {
            let per_interval = self.ended as u128 * GROW_AFTER.as_nanos() / elapsed.as_nanos();
            self.prefetch = usize::try_from(per_interval).map_or(self.prefetch_max, |n| n.min(self.prefetch_max));
            (self.ended, self.counted_since) = (0, Some(now));
        }
    }
}

impl<W: Clone> Free<W> {
    pub(super) fn new(is_shared: bool, queue_max: usize) -> Self {
        if is_shared {
            let prefetch_max = PREFETCH_MAX.min(queue_max);
            return Free::Shared(Shared {
                sent: 0,
                workers: 0,
                prefetch: 0,
                prefetch_max,
                ended: 0,
                counted_since: None,
                busy_at: Vec::new(),
            });
        }
        Free::Leased(Leased { idle: Vec::new(), busy: 0 })
    }

    /// Returns how many jobs were sent and have not ended.
    pub(super) fn sent(&self) -> usize {
        match self {
            Free::Leased(leased) => leased.busy,
            Free::Shared(shared) => shared.sent,
        }
    }

    /// Returns how many jobs run.
    pub(super) fn busy(&self) -> usize {
        self.sent() - self.prefetched()
    }

    /// Returns how many jobs were sent that wait for a worker.
    pub(super) fn prefetched(&self) -> usize {
        match self {
            Free::Leased(_) => 0,
            Free::Shared(shared) => shared.sent.saturating_sub(shared.workers),
        }
    }

    /// Takes a place for one more job. Workers that are to be replaced are leased last.
    pub(super) fn take(&mut self, target: usize, replaced: &BTreeSet<usize>) -> Option<Place<W>> {
        match self {
            Free::Leased(leased) => {
                if leased.busy >= target {
                    return None;
                }
                let preferred = leased.idle.iter().rposition(|idle| !replaced.contains(&idle.slot));
                let idle = leased.idle.remove(preferred.or(leased.idle.len().checked_sub(1))?);
                leased.busy += 1;
                Some(Place::Worker(idle.worker))
            }
            Free::Shared(shared) => {
                let prefetch = if shared.workers == 0 { 0 } else { shared.prefetch };
                if shared.sent >= shared.workers + prefetch {
                    return None;
                }
                shared.sent += 1;
                Some(Place::Shared)
            }
        }
    }

    /// Makes a leased worker idle.
    pub(super) fn rest(&mut self, worker: W, slot: usize, now: Instant) {
        if let Free::Leased(leased) = self {
            leased.busy -= 1;
        }
        self.add(worker, slot, now);
    }

    /// Notes the end of jobs of the shared queue, and how quickly they end.
    pub(super) fn ended(&mut self, jobs: usize, now: Instant) {
        self.withdraw(jobs, Some(now));
        let Free::Shared(shared) = self else {
            return;
        };
        shared.count(now);
        shared.ended += jobs;
    }

    /// Notes that jobs have left the shared queue without an end.
    pub(super) fn withdrawn(&mut self, jobs: usize) {
        self.withdraw(jobs, None);
    }

    /// Notes that jobs were taken back because they have waited for too long.
    pub(super) fn taken_back(&mut self, jobs: usize, now: Instant) {
        self.withdraw(jobs, None);
        if let Free::Shared(shared) = self {
            shared.count(now);
        }
    }

    fn withdraw(&mut self, jobs: usize, now: Option<Instant>) {
        let Free::Shared(shared) = self else {
            return;
        };
        for _ in 0..jobs {
            shared.sent -= 1;
            if let (Some(now), Some(at)) = (now, shared.busy_at.get_mut(shared.sent)) {
                *at = now;
            }
        }
    }

    /// Adds a ready worker of the pool: an idle one, or one that does not read the socket yet.
    pub(super) fn add(&mut self, worker: W, slot: usize, now: Instant) {
        if let Free::Leased(leased) = self {
            leased.idle.push(IdleWorker { worker, slot, since: now });
        }
    }

    /// Notes that one more worker reads the socket.
    pub(super) fn opened(&mut self, now: Instant) {
        if let Free::Shared(shared) = self {
            shared.workers += 1;
            let count = shared.busy_at.len().max(shared.workers);
            shared.busy_at.resize(count, now);
            shared.busy_at[shared.workers - 1] = now;
        }
    }

    /// Removes a worker that has exited or was dismissed while it had no job to lose.
    pub(super) fn remove(&mut self, slot: usize) {
        if let Free::Leased(leased) = self {
            let before = leased.idle.len();
            leased.idle.retain(|idle| idle.slot != slot);
            if leased.idle.len() == before {
                leased.busy -= 1;
            }
        }
    }

    /// Notes that a worker that has read the socket has exited.
    pub(super) fn closed(&mut self) {
        if let Free::Shared(shared) = self {
            shared.workers -= 1;
        }
    }

    /// Returns the slots of the idle workers of a leased pool, the longest idle first.
    pub(super) fn idle(&self) -> Vec<usize> {
        match self {
            Free::Leased(leased) => leased.idle.iter().map(|idle| idle.slot).collect(),
            Free::Shared(_) => Vec::new(),
        }
    }

    /// Returns since when more than `target - 1` workers were not needed; `exempt` idle ones do not count.
    pub(super) fn surplus_since(&self, target: usize, exempt: usize) -> Option<Instant> {
        match self {
            Free::Leased(leased) => leased.idle.get(exempt).map(|idle| idle.since),
            Free::Shared(shared) => {
                let last = target.checked_sub(1).filter(|last| shared.sent <= *last)?;
                shared.busy_at.get(last).copied()
            }
        }
    }

    pub(super) fn is_shared(&self) -> bool {
        matches!(self, Free::Shared(_))
    }
}
