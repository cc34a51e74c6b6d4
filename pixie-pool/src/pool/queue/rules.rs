//! The rules of a pool as one plain value: which job runs next on which worker, and when.
//!
//! Owns the queue, the idle workers and the decisions about jobs; `rules::workers` owns those about workers.
//! The same value runs in the pool, on connections and jobs, and in the simulation of the tests, on numbers:
//! it has no I/O and takes the time as an argument. Invariants: a job is in the queue, with a worker, or
//! over. A worker is idle, leased, or not listed here.

mod workers;

use std::{
    collections::{BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use crate::{
    config::Config,
    pool::{
        observers::Refusal,
        queue::{repeat_crashes::RepeatCrashes, restarts::Restarts, scale::Scale},
    },
};

/// The state of one pool, with workers of type `W` and jobs of type `J`.
#[derive(Debug)]
pub(crate) struct Rules<W, J> {
    pub(crate) scale: Scale,
    pub(crate) restarts: Restarts,
    pub(crate) repeat_crashes: RepeatCrashes,
    queue_max: usize,
    queue_timeout: Duration,
    idle_timeout: Duration,
    has_breaker: bool,
    queue: VecDeque<QueuedJob<J>>,
    /// All ready workers, idle or leased, with their slots.
    workers: Vec<(W, usize)>,
    /// A stack: the worker that became idle last is leased first, because its caches are warm and the others
    /// may sleep.
    idle: Vec<IdleWorker<W>>,
    busy: usize,
    /// Groups of jobs that are on the way between the queue and a worker.
    passing: usize,
    /// Slots of the listed workers that are to be replaced. One replacement is started at a time, and the
    /// first of these workers without a job leaves for it, so a worker with a long job does not delay the
    /// others.
    replaced: BTreeSet<usize>,
    is_stopping: bool,
    pub(crate) has_ended: bool,
}

#[derive(Debug)]
struct IdleWorker<W> {
    worker: W,
    slot: usize,
    since: Instant,
}

#[derive(Debug)]
struct QueuedJob<J> {
    job: J,
    may_pipeline: bool,
    since: Instant,
    until: Instant,
}

/// What happens to a new job.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Submitted<W> {
    Leased(W),
    /// The job waits until this time at most; `may_grow` is true if the pool may start more workers.
    Queued {
        until: Instant,
        may_grow: bool,
    },
    Refused(Refusal),
    Stopping,
}

/// What a worker does after it has ended a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Runs its other jobs and those of the batch.
    Work,
    /// Waits for jobs; `may_shrink` is true if the pool may end workers that are idle.
    Rest { may_shrink: bool },
    /// Leaves, because its replacement is ready.
    Leave,
}

impl<W: Clone + PartialEq, J: PartialEq> Rules<W, J> {
    pub(crate) fn new(config: &Config) -> Self {
        let spares = if config.is_threaded() { 0 } else { config.spares };
        Rules {
            scale: Scale::new(config.jobs_at_once(), spares),
            restarts: Restarts::default(),
            repeat_crashes: RepeatCrashes::default(),
            queue_max: config.queue,
            queue_timeout: config.queue_timeout,
            idle_timeout: config.idle_timeout,
            has_breaker: config.breaker,
            queue: VecDeque::new(),
            workers: Vec::new(),
            idle: Vec::new(),
            busy: 0,
            passing: 0,
            replaced: BTreeSet::new(),
            is_stopping: false,
            has_ended: false,
        }
    }

    pub(crate) fn busy(&self) -> usize {
        self.busy
    }

    pub(crate) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Returns since when the first queued job has been waiting.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.queue.front().map(|queued| queued.since)
    }

    /// Refuses new jobs from now on; accepted jobs continue.
    pub(crate) fn stop(&mut self) {
        self.is_stopping = true;
    }

    /// Ends the pool; returns the queued jobs, which fail.
    pub(crate) fn end(&mut self) -> Vec<J> {
        self.is_stopping = true;
        self.has_ended = true;
        self.clear()
    }

    /// Returns whether all jobs that were accepted before the stop are over.
    pub(crate) fn is_drained(&self) -> bool {
        self.is_stopping && self.busy == 0 && self.queue.is_empty() && self.passing == 0
    }

    /// Notes that a group of passing jobs is with a worker, in the queue or over.
    pub(crate) fn has_passed(&mut self) {
        self.passing -= 1;
    }

    /// Leases a worker for a new job, queues the job or refuses it.
    pub(crate) fn submit(&mut self, job: J, may_pipeline: bool, now: Instant) -> Submitted<W> {
        if self.is_stopping {
            return Submitted::Stopping;
        }
        if self.queue.is_empty()
            && let Some(worker) = self.lease()
        {
            return Submitted::Leased(worker);
        }
        if self.queue.len() >= self.queue_max {
            return Submitted::Refused(Refusal::QueueFull);
        }
        // If no start is under way, this job is the reason for the next one.
        if self.is_broken() && self.is_starting() {
            return Submitted::Refused(Refusal::Unavailable);
        }
        let until = now + self.queue_timeout;
        self.queue.push_back(QueuedJob { job, may_pipeline, since: now, until });
        Submitted::Queued { until, may_grow: self.scale.may_grow() }
    }

    /// Puts jobs before all others, in their order, and returns when they have waited too long. Returns the
    /// jobs, which fail, if the pool has ended.
    pub(crate) fn put_back(&mut self, jobs: Vec<(J, bool)>, now: Instant) -> Result<Instant, Vec<J>> {
        if self.has_ended {
            return Err(jobs.into_iter().map(|(job, _)| job).collect());
        }
        let until = now + self.queue_timeout;
        for (job, may_pipeline) in jobs.into_iter().rev() {
            self.queue.push_front(QueuedJob { job, may_pipeline, since: now, until });
        }
        Ok(until)
    }

    fn lease(&mut self) -> Option<W> {
        if self.busy >= self.scale.target() {
            return None;
        }
        let preferred = self.idle.iter().rposition(|idle| !self.replaced.contains(&idle.slot));
        let idle = self.idle.remove(preferred.or(self.idle.len().checked_sub(1))?);
        self.busy += 1;
        Some(idle.worker)
    }

    /// Pairs the first queued job with an idle worker; the job passes until [`Rules::has_passed`].
    pub(crate) fn pair(&mut self) -> Option<(W, J)> {
        if self.queue.is_empty() {
            return None;
        }
        let worker = self.lease()?;
        self.passing += 1;
        self.queue.pop_front().map(|queued| (worker, queued.job))
    }

    /// Moves the next jobs for a worker with `sent` jobs into `batch`, or makes the worker idle.
    ///
    /// A worker gets more than one job only if there is `room` for them, and at most its share of the queued
    /// jobs, so that a job is not pipelined while another worker could start it.
    pub(crate) fn next(&mut self, worker: &W, sent: usize, room: usize, now: Instant, batch: &mut Vec<J>) -> Next {
        let Some(slot) = self.slot_of(worker) else {
            // The worker has exited meanwhile, which ended its lease.
            return Next::Work;
        };
        if self.replaced.contains(&slot) && self.has_replacement() {
            if sent > 0 {
                return Next::Work;
            }
            self.dismiss(slot);
            return Next::Leave;
        }
        let share = self.queue.len().div_ceil(self.scale.target().max(1)).min(room);
        if sent == 0 {
            let Some(first) = self.queue.pop_front() else {
                self.busy -= 1;
                self.idle.push(IdleWorker { worker: worker.clone(), slot, since: now });
                self.scale.is_met();
                return Next::Rest { may_shrink: self.scale.may_shrink() };
            };
            batch.push(first.job);
            if !first.may_pipeline {
                return Next::Work;
            }
        }
        while batch.len() < share
            && let Some(queued) = self.queue.pop_front_if(|queued| queued.may_pipeline)
        {
            batch.push(queued.job);
        }
        Next::Work
    }

    pub(crate) fn cancel(&mut self, job: &J) {
        self.queue.retain(|queued| queued.job != *job);
    }

    /// Takes the jobs that have waited too long, and returns when to check again.
    pub(crate) fn expire(&mut self, now: Instant) -> (Vec<J>, Option<Instant>) {
        // Jobs that were put back have a later end than those behind them, so all are checked.
        let (late, waiting): (VecDeque<_>, VecDeque<_>) = self.queue.drain(..).partition(|q| q.until <= now);
        self.queue = waiting;
        (late.into_iter().map(|q| q.job).collect(), self.queue.iter().map(|q| q.until).min())
    }

    fn clear(&mut self) -> Vec<J> {
        self.queue.drain(..).map(|queued| queued.job).collect()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
mod tests;
