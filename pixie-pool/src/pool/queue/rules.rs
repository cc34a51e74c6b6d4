//! The rules of a pool as one plain value: which job runs next, on which worker, and when.
//!
//! Owns the decisions about jobs; `rules::waiting` is the queue, `rules::free` knows which workers are free,
//! and `rules::workers` decides about workers. The same value runs in the pool, on connections and jobs,
//! and in the simulation of the tests, on numbers: it has no I/O and takes the time as an argument.
//! Invariant: a job is in the queue, sent, passing from one to the other, or over.

mod free;
mod waiting;
mod workers;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use crate::{
    config::Config,
    pool::{
        connection::Queued,
        observers::Refusal,
        queue::{
            repeat_crashes::RepeatCrashes,
            restarts::Restarts,
            rules::{free::Free, waiting::Waiting},
            scale::Scale,
        },
    },
};

pub(crate) use self::workers::Reader;

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
    queue: Waiting<J>,
    /// All ready workers, except those that were dismissed.
    workers: Vec<Listed<W>>,
    free: Free<W>,
    /// Groups of jobs that are on the way between the queue and a worker.
    passing: usize,
    /// Slots of the listed workers that are to be replaced. One replacement is started at a time, and the
    /// first of these workers without a job leaves for it.
    replaced: BTreeSet<usize>,
    is_stopping: bool,
    pub(crate) has_ended: bool,
}

#[derive(Debug)]
struct Listed<W> {
    worker: W,
    slot: usize,
    /// Whether the worker may take jobs from the shared queue. Spare workers may not.
    is_open: bool,
}

/// Where a job is sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place<W> {
    /// To this worker, which is leased for it.
    Worker(W),
    /// To the queue that all workers read.
    Shared,
}

/// What happens to a new job.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Submitted<W, J> {
    Sent(Place<W>, Queued<J>),
    /// The job waits until this time at most; `may_grow` is true if the pool may start more workers. If the
    /// queue was full, another job is refused for it.
    Queued {
        until: Instant,
        may_grow: bool,
        refused: Option<J>,
    },
    Refused(Refusal),
    Stopping,
}

/// What a leased worker does after it has ended its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Waits for a job.
    Rest,
    /// Leaves, because its replacement is ready or it has run all its jobs.
    Leave,
    /// Has exited meanwhile, which ended its lease.
    Gone,
}

impl<W: Clone + PartialEq + Reader, J: PartialEq> Rules<W, J> {
    /// With `is_shared`, workers take the jobs from a socket; otherwise they are leased.
    pub(crate) fn new(config: &Config, is_shared: bool) -> Self {
        let spares = if config.is_threaded() { 0 } else { config.spares };
        Rules {
            scale: Scale::new(config.jobs_at_once(), spares),
            restarts: Restarts::default(),
            repeat_crashes: RepeatCrashes::default(),
            queue_max: config.queue,
            queue_timeout: config.queue_timeout,
            idle_timeout: config.idle_timeout,
            has_breaker: config.breaker,
            queue: Waiting::new(),
            workers: Vec::new(),
            free: Free::new(is_shared, config.queue),
            passing: 0,
            replaced: BTreeSet::new(),
            is_stopping: false,
            has_ended: false,
        }
    }

    /// Returns how many jobs run, as far as the pool knows.
    pub(crate) fn busy(&self) -> usize {
        self.free.busy()
    }

    /// Returns how many jobs wait, in the queue or in the shared queue.
    pub(crate) fn queued(&self) -> usize {
        self.queue.len() + self.free.prefetched()
    }

    /// Returns whether jobs wait in the queue.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Returns since when the oldest queued job has been waiting.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.queue.oldest()
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
        self.is_stopping && self.free.sent() == 0 && self.queue.is_empty() && self.passing == 0
    }

    /// Notes that a group of passing jobs is with a worker, in the queue or over.
    pub(crate) fn has_passed(&mut self) {
        self.passing -= 1;
    }

    /// Sends a new job of a client, queues it or refuses it.
    pub(crate) fn submit(&mut self, job: J, client: Option<u64>, now: Instant) -> Submitted<W, J> {
        if self.is_stopping {
            return Submitted::Stopping;
        }
        let queued = Queued { job, since: now, until: now + self.queue_timeout };
        if self.queue.is_empty()
            && let Some(place) = self.lease()
        {
            return Submitted::Sent(place, queued);
        }
        // If no start is under way, this job is the reason for the next one.
        if self.is_broken() && self.is_starting() {
            return Submitted::Refused(Refusal::Unavailable);
        }
        let mut refused = None;
        if self.queued() >= self.queue_max {
            refused = self.queue.make_room(client);
            if refused.is_none() {
                return Submitted::Refused(Refusal::QueueFull);
            }
        }
        let until = queued.until;
        self.queue.push(client, queued);
        Submitted::Queued { until, may_grow: self.scale.may_grow(), refused }
    }

    /// Returns a job with the time that it may wait from now on.
    pub(crate) fn requeued(&self, job: J, now: Instant) -> Queued<J> {
        Queued { job, since: now, until: now + self.queue_timeout }
    }

    /// Puts jobs before all others, in their order, and returns when the first has waited too long. Returns
    /// the jobs, which fail, if the pool has ended.
    pub(crate) fn put_back(&mut self, jobs: Vec<Queued<J>>) -> Result<Option<Instant>, Vec<J>> {
        if self.has_ended {
            return Err(jobs.into_iter().map(|queued| queued.job).collect());
        }
        let until = jobs.iter().map(|queued| queued.until).min();
        self.queue.put_back(jobs);
        Ok(until)
    }

    fn lease(&mut self) -> Option<Place<W>> {
        self.free.take(self.scale.target(), &self.replaced)
    }

    /// Sends the next queued job; it passes until [`Rules::has_passed`].
    pub(crate) fn pair(&mut self) -> Option<(Place<W>, Queued<J>)> {
        if self.queue.is_empty() {
            return None;
        }
        let place = self.lease()?;
        self.passing += 1;
        self.queue.pop().map(|queued| (place, queued))
    }

    /// Makes a leased worker idle that has ended its job; with `is_used_up`, it must not get another one.
    pub(crate) fn rest(&mut self, worker: &W, is_used_up: bool, now: Instant) -> Next {
        let Some(slot) = self.slot_of(worker) else {
            return Next::Gone;
        };
        if is_used_up || (self.replaced.contains(&slot) && self.has_replacement()) {
            self.dismiss(slot);
            return Next::Leave;
        }
        self.free.rest(worker.clone(), slot, now);
        self.scale.is_met();
        Next::Rest
    }

    /// Notes that workers have ended this many jobs of the shared queue; returns those that leave now.
    pub(crate) fn ended(&mut self, jobs: usize, now: Instant) -> Vec<W> {
        self.free.ended(jobs, now);
        if self.free.prefetched() == 0 && self.queue.is_empty() {
            self.scale.is_met();
        }
        if self.replaced.is_empty() { Vec::new() } else { self.dismiss_idle() }
    }

    /// Notes that this many jobs were taken from the shared queue, or failed with their worker.
    pub(crate) fn withdrawn(&mut self, jobs: usize) {
        self.free.withdrawn(jobs);
    }

    /// Notes that this many jobs were taken back because they have waited in the shared queue for too long.
    pub(crate) fn taken_back(&mut self, jobs: usize, now: Instant) {
        self.free.taken_back(jobs, now);
    }

    pub(crate) fn cancel(&mut self, job: &J) {
        self.queue.take(|queued| queued.job == *job);
    }

    /// Takes the jobs that have waited too long, and returns when to check again.
    pub(crate) fn expire(&mut self, now: Instant) -> (Vec<J>, Option<Instant>) {
        let late = if self.queue.until().is_some_and(|until| until <= now) {
            self.queue.take(|queued| queued.until <= now)
        } else {
            Vec::new()
        };
        (late, self.queue.until())
    }

    fn clear(&mut self) -> Vec<J> {
        self.queue.take(|_| true)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
mod tests;
