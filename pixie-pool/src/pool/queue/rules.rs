//! Who runs next: idle workers, waiting jobs, and the one short lock around both.
//!
//! Owns the queue, the stack of idle workers and who of them has to go, as plain values. Leaves how many there should be to `scale`,
//! sending, clocks and processes to others. Rule: a job is in the queue, with a worker, or over; a worker is idle, leased, or not
//! listed here; only a worker without a job is sent away.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    config::{GROW_AFTER, Size},
    pool::{connection::job_state::Exchange, connection::socket::Link, queue::scale::Scale},
};

/// The workers and the jobs of one pool.
#[derive(Debug)]
pub(crate) struct Schedule {
    pub(crate) scale: Scale,
    queue_max: usize,
    /// The last one that became idle is leased first: its caches are warm, and the others may sleep. Those that are to be replaced
    /// come last, so that they can go.
    idle: Vec<Idle>,
    /// Every worker that is ready, idle or not.
    pub(crate) links: Vec<Arc<Link>>,
    queue: VecDeque<Queued>,
    busy: usize,
    /// Lots of jobs that are neither in the queue nor with a worker, because they pass from one to the other.
    passing: usize,
    /// Places of the listed workers that are to be replaced. One replacement is started at a time, and whoever of them has no job
    /// first makes room for it: so one with a job of hours holds nobody back.
    worn: BTreeSet<usize>,
    is_stopping: bool,
}

#[derive(Debug)]
struct Idle {
    link: Arc<Link>,
    since: Instant,
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

/// What a worker that has ended a job does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// What it has, and the jobs of the batch.
    Work,
    /// It waits for jobs.
    Rest,
    /// It goes: its replacement is there.
    Leave,
}

impl Schedule {
    pub(crate) fn new(size: Size, spares: usize, queue_max: usize) -> Self {
        Schedule {
            scale: Scale::new(size, spares),
            queue_max,
            idle: Vec::new(),
            links: Vec::new(),
            queue: VecDeque::new(),
            busy: 0,
            passing: 0,
            worn: BTreeSet::new(),
            is_stopping: false,
        }
    }

    /// Tells whether no worker is ready, and yet some are wanted: so jobs have to wait until one has started.
    pub(crate) fn is_starting(&self) -> bool {
        self.links.is_empty() && self.scale.filled().next().is_some()
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
        self.idle.iter().any(|idle| Arc::ptr_eq(&idle.link, link))
    }

    /// Stops accepting; what was accepted goes on.
    pub(crate) fn stop(&mut self) {
        self.is_stopping = true;
    }

    /// Tells whether everything that was accepted before the stop is done.
    pub(crate) fn is_drained(&self) -> bool {
        self.is_stopping && self.busy == 0 && self.queue.is_empty() && self.passing == 0
    }

    /// Notes that what passed is with a worker, in the queue or over.
    pub(crate) fn has_passed(&mut self) {
        self.passing -= 1;
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
        if self.busy >= self.scale.target() {
            return None;
        }
        let fresh = self.idle.iter().rposition(|idle| !self.worn.contains(&idle.link.number));
        let idle = self.idle.remove(fresh.or(self.idle.len().checked_sub(1))?);
        self.busy += 1;
        Some(idle.link)
    }

    /// Pairs the first waiting job with an idle worker; it passes until [`Schedule::has_passed`].
    pub(crate) fn pair(&mut self) -> Option<(Arc<Link>, Arc<Exchange>)> {
        if self.queue.is_empty() {
            return None;
        }
        let link = self.lease()?;
        self.passing += 1;
        self.queue.pop_front().map(|q| (link, q.exchange))
    }

    /// Moves the next jobs for a worker into `batch`, or makes it idle if it has none.
    ///
    /// It gets more than one only if there is `room` for them, and then no more than its share of those that wait, so that
    /// nothing is sent ahead to one worker that another could begin with.
    pub(crate) fn next(
        &mut self,
        link: &Arc<Link>,
        in_flight: usize,
        room: usize,
        now: Instant,
        batch: &mut Vec<Arc<Exchange>>,
    ) -> Next {
        if !self.is_listed(link) {
            // It has ended meanwhile, and its lease with it.
            return Next::Work;
        }
        if self.worn.contains(&link.number) && self.has_replacement() {
            if in_flight > 0 {
                return Next::Work;
            }
            self.dismiss(link);
            return Next::Leave;
        }
        let share = self.queue.len().div_ceil(self.scale.target().max(1)).min(room);
        if in_flight == 0 {
            let Some(first) = self.queue.pop_front() else {
                self.busy -= 1;
                self.idle.push(Idle { link: Arc::clone(link), since: now });
                self.scale.is_met();
                return Next::Rest;
            };
            let is_alone = !first.exchange.may_share();
            batch.push(first.exchange);
            if is_alone {
                return Next::Work;
            }
        }
        while batch.len() < share
            && let Some(queued) = self.queue.pop_front_if(|q| q.exchange.may_share())
        {
            batch.push(queued.exchange);
        }
        Next::Work
    }

    fn is_listed(&self, link: &Arc<Link>) -> bool {
        self.links.iter().any(|l| Arc::ptr_eq(l, link))
    }

    /// Adds a worker that is ready; returns those that have to go because it is there.
    pub(crate) fn add(&mut self, link: &Arc<Link>, now: Instant) -> Vec<Arc<Link>> {
        self.links.push(Arc::clone(link));
        self.idle.push(Idle { link: Arc::clone(link), since: now });
        self.dismiss_idle()
    }

    /// Removes a worker that has ended and leaves jobs, which pass until [`Schedule::has_passed`].
    pub(crate) fn remove_with_jobs(&mut self, link: &Arc<Link>) {
        self.passing += 1;
        self.remove(link);
    }

    /// Removes a worker that has ended.
    pub(crate) fn remove(&mut self, link: &Arc<Link>) {
        if !self.is_listed(link) {
            return;
        }
        self.links.retain(|l| !Arc::ptr_eq(l, link));
        let idle = self.idle.len();
        self.idle.retain(|idle| !Arc::ptr_eq(&idle.link, link));
        if self.idle.len() == idle {
            self.busy -= 1;
        }
        if self.worn.remove(&link.number) && self.worn.is_empty() {
            self.scale.turned();
        }
    }

    /// Marks a worker for replacement; returns those that have to go because that is there, or `None` if it was marked already.
    pub(crate) fn wear_out(&mut self, link: &Arc<Link>) -> Option<Vec<Arc<Link>>> {
        if self.is_stopping || !self.is_listed(link) || !self.worn.insert(link.number) {
            return None;
        }
        self.scale.turn();
        Some(self.dismiss_idle())
    }

    /// Tells whether a worker that is to be replaced may go without being missed.
    fn has_replacement(&self) -> bool {
        !self.worn.is_empty() && self.links.len() > self.scale.target() + self.scale.spares()
    }

    /// Lets more workers run if the first job waits for too long; returns when to look again.
    pub(crate) fn grow(&mut self, now: Instant) -> Option<Instant> {
        // Also while the pool stops: what was accepted may wait for the only worker, which has crashed.
        let oldest = self.oldest().filter(|_| self.scale.may_grow())?;
        // Without a single worker nothing can be hoped for.
        let due = if self.scale.target() == 0 { now } else { oldest + GROW_AFTER };
        if due > now {
            return Some(due);
        }
        self.scale.grow(self.queue.len());
        Some(now + GROW_AFTER)
    }

    /// After a start that has failed: wants no more workers than there are, if no job waits for one.
    pub(crate) fn give_up(&mut self) {
        if self.queue.is_empty() {
            self.scale.settle_for(self.links.len());
        }
    }

    /// Takes the workers that have been idle for too long; returns them and when to look again.
    pub(crate) fn shrink(&mut self, now: Instant, idle_timeout: Duration) -> (Vec<Arc<Link>>, Option<Instant>) {
        let mut gone = Vec::new();
        let due = loop {
            // The spares are idle by nature, and so is a replacement whose turn has not come, so as many are left out; the first in
            // the stack has been idle for longest.
            let left_out = self.scale.spares() + usize::from(self.has_replacement());
            let candidate = self.idle.get(left_out);
            let Some(since) = candidate.map(|idle| idle.since).filter(|_| self.scale.may_shrink()) else {
                break None;
            };
            if since + idle_timeout > now {
                break Some(since + idle_timeout);
            }
            self.scale.shrink();
            gone.extend(self.dismiss_idle());
        };
        (gone, due)
    }

    /// Sends as many idle workers away as there are too many, those idle for longest first, and those whose replacement is there.
    fn dismiss_idle(&mut self) -> Vec<Arc<Link>> {
        let count = self.scale.excess().min(self.idle.len());
        let mut gone: Vec<_> = self.idle[..count].iter().map(|idle| Arc::clone(&idle.link)).collect();
        gone.iter().for_each(|link| self.dismiss(link));
        while self.has_replacement()
            && let Some(worn) = self.idle.iter().find(|idle| self.worn.contains(&idle.link.number))
        {
            let link = Arc::clone(&worn.link);
            self.dismiss(&link);
            gone.push(link);
        }
        gone
    }

    fn dismiss(&mut self, link: &Arc<Link>) {
        self.scale.leave(link.number);
        self.remove(link);
    }

    /// Removes a job that nobody waits for; false if it does not wait any more.
    pub(crate) fn forget(&mut self, exchange: &Arc<Exchange>) -> bool {
        let waiting = self.queue.len();
        self.queue.retain(|q| !Arc::ptr_eq(&q.exchange, exchange));
        self.queue.len() < waiting
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
mod tests;
