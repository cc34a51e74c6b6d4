//! Who runs next: idle workers, waiting jobs, and the one short lock around both.
//!
//! Owns the queue and the stack of idle workers as plain values. Leaves sending, clocks and processes to others.
//! Rule: a job is in the queue, with a worker, or over; a worker is idle, leased, or not listed here.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use crate::pool::{exchange::Exchange, link::Link};

/// The workers and the jobs of one pool.
#[derive(Debug)]
pub(crate) struct Schedule {
    size: usize,
    queue_max: usize,
    /// The last one that became idle is leased first: its caches are warm, and the others may sleep.
    idle: Vec<Arc<Link>>,
    /// Every worker that is ready, idle or not.
    pub(crate) links: Vec<Arc<Link>>,
    queue: VecDeque<Queued>,
    busy: usize,
    is_stopping: bool,
}

#[derive(Debug)]
struct Queued {
    exchange: Arc<Exchange>,
    since: Instant,
    until: Instant,
}

/// What became of a job that has just come in.
pub(crate) enum Entered {
    /// This worker is leased for it.
    Leased(Arc<Link>),
    /// It waits.
    Queued,
    /// There is no room.
    Full,
    /// Nothing is accepted any more.
    Stopping,
}

impl Schedule {
    pub(crate) fn new(size: usize, queue_max: usize) -> Self {
        Schedule {
            size,
            queue_max,
            idle: Vec::new(),
            links: Vec::new(),
            queue: VecDeque::new(),
            busy: 0,
            is_stopping: false,
        }
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    pub(crate) fn busy(&self) -> usize {
        self.busy
    }

    pub(crate) fn queued(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.queue.front().map(|q| q.since)
    }

    pub(crate) fn is_idle(&self, link: &Arc<Link>) -> bool {
        self.idle.iter().any(|l| Arc::ptr_eq(l, link))
    }

    /// Stops accepting; what was accepted goes on.
    pub(crate) fn stop(&mut self) {
        self.is_stopping = true;
    }

    /// Tells whether everything that was accepted before the stop is done.
    pub(crate) fn is_drained(&self) -> bool {
        self.is_stopping && self.busy == 0 && self.queue.is_empty()
    }

    /// Leases a worker for a new job, or lets it wait.
    pub(crate) fn enter(&mut self, exchange: &Arc<Exchange>, since: Instant, until: Instant) -> Entered {
        if self.is_stopping {
            return Entered::Stopping;
        }
        if self.queue.is_empty()
            && let Some(link) = self.lease()
        {
            return Entered::Leased(link);
        }
        if self.queue.len() >= self.queue_max {
            return Entered::Full;
        }
        self.queue.push_back(Queued { exchange: Arc::clone(exchange), since, until });
        Entered::Queued
    }

    /// Puts jobs that no worker has started before all others, in their order.
    pub(crate) fn put_back(&mut self, exchanges: Vec<Arc<Exchange>>, since: Instant, until: Instant) {
        for exchange in exchanges.into_iter().rev() {
            self.queue.push_front(Queued { exchange, since, until });
        }
    }

    fn lease(&mut self) -> Option<Arc<Link>> {
        if self.busy >= self.size {
            return None;
        }
        let link = self.idle.pop()?;
        self.busy += 1;
        Some(link)
    }

    /// Pairs the first waiting job with an idle worker.
    pub(crate) fn pair(&mut self) -> Option<(Arc<Link>, Arc<Exchange>)> {
        if self.queue.is_empty() {
            return None;
        }
        let link = self.lease()?;
        self.queue.pop_front().map(|q| (link, q.exchange))
    }

    /// Moves the next jobs for a worker into `batch`, or makes it idle if it has none.
    ///
    /// It gets more than one only if there is `room` for them, and then no more than its share of those that wait, so that
    /// nothing is sent ahead to one worker that another could begin with.
    pub(crate) fn next(&mut self, link: &Arc<Link>, in_flight: usize, room: usize, batch: &mut Vec<Arc<Exchange>>) {
        if !self.is_listed(link) {
            // It has ended meanwhile, and its lease with it.
            return;
        }
        let share = self.queue.len().div_ceil(self.size.max(1)).min(room);
        if in_flight == 0 {
            let Some(first) = self.queue.pop_front() else {
                self.busy -= 1;
                self.idle.push(Arc::clone(link));
                return;
            };
            let is_alone = !first.exchange.may_share();
            batch.push(first.exchange);
            if is_alone {
                return;
            }
        }
        while batch.len() < share
            && let Some(queued) = self.queue.pop_front_if(|q| q.exchange.may_share())
        {
            batch.push(queued.exchange);
        }
    }

    fn is_listed(&self, link: &Arc<Link>) -> bool {
        self.links.iter().any(|l| Arc::ptr_eq(l, link))
    }

    /// Adds a worker that is ready.
    pub(crate) fn add(&mut self, link: &Arc<Link>) {
        self.links.push(Arc::clone(link));
        self.idle.push(Arc::clone(link));
    }

    /// Removes a worker that has ended.
    pub(crate) fn remove(&mut self, link: &Arc<Link>) {
        self.links.retain(|l| !Arc::ptr_eq(l, link));
        let idle = self.idle.len();
        self.idle.retain(|l| !Arc::ptr_eq(l, link));
        if self.idle.len() == idle {
            self.busy -= 1;
        }
    }

    /// Removes a job that nobody waits for.
    pub(crate) fn forget(&mut self, exchange: &Arc<Exchange>) {
        self.queue.retain(|q| !Arc::ptr_eq(&q.exchange, exchange));
    }

    /// Takes the jobs that have waited too long, and returns when to look again.
    pub(crate) fn expire(&mut self, now: Instant) -> (Vec<Arc<Exchange>>, Option<Instant>) {
        // A job that was put back has a later end than those behind it, so all are looked at.
        let (late, waiting): (VecDeque<_>, VecDeque<_>) = self.queue.drain(..).partition(|q| q.until <= now);
        self.queue = waiting;
        (late.into_iter().map(|q| q.exchange).collect(), self.queue.iter().map(|q| q.until).min())
    }

    /// Takes every waiting job.
    pub(crate) fn clear(&mut self) -> Vec<Arc<Exchange>> {
        self.queue.drain(..).map(|q| q.exchange).collect()
    }
}
