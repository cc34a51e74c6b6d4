//! What all tasks of a pool share, and the steps that a job takes between them.
//!
//! Owns the way of a job from its entry to a worker and back into the queue, and the counters. Leaves who is next to `schedule`,
//! and workers that come and go to `workers`.
//! Rule: the lock on the schedule is held for moments, never while anything is sent, woken or awaited.

mod workers;

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{Notify, watch},
    time::timeout,
};

use crate::{
    config::{Config, HEAD_BYTES_MAX, MEMORY_LOOK},
    error::Error,
    job::Handler,
    platform::Cgroups,
    pool::{
        connection::job_state::Exchange,
        connection::kill::{Closed, Kill},
        connection::sent_job::Flight,
        connection::socket::{Begun, Link, Load},
        connection::state::earlier,
        metrics::Metrics,
        process::handshake::Rendezvous,
        queue::repeat_crashes::{Fingerprints, Poison},
        queue::restarts::Restarts,
        queue::rules::{Entered, Next, Schedule},
        queue::timer::Clock,
    },
    snapshot::Counts,
};

/// Why jobs are refused, as the metrics call it.
const REFUSED_FULL: &str = "queue_full";
const REFUSED_LATE: &str = "queue_timeout";
const REFUSED_BROKEN: &str = "unavailable";
const REFUSED_POISON: &str = "poison";

/// How far the first start has come.
#[derive(Debug, Default)]
struct Boot {
    is_ready: bool,
    failures: usize,
    failure: String,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that is done under a lock here leaves a value half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What all tasks of a pool share.
pub(crate) struct Shared {
    pub(crate) name: Arc<str>,
    pub(crate) config: Config,
    pub(crate) handler: Handler,
    pub(crate) clock: Clock,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) ending: watch::Sender<bool>,
    boot: watch::Sender<Boot>,
    drained: Notify,
    /// Tells each place, from the first on, that a worker is to be started there.
    starts: Vec<Notify>,
    schedule: Mutex<Schedule>,
    fingerprints: Fingerprints,
    poison: Mutex<Poison>,
    /// Whether anything is in there, so that a job is looked up only then.
    has_poison: AtomicBool,
    memory_looked: Mutex<Instant>,
    restarts: Mutex<Restarts>,
    counts: Mutex<Counts>,
    rendezvous: Mutex<Option<Rendezvous>>,
    cgroups: Mutex<Option<Cgroups>>,
    directory: PathBuf,
    jobs: AtomicU64,
}

impl Shared {
    pub(crate) fn new(config: Config, handler: Handler, rendezvous: Rendezvous, cgroups: Option<Cgroups>) -> Self {
        let spares = if config.is_threaded() { 0 } else { config.spares };
        let schedule = Schedule::new(config.jobs_at_once(), spares, config.queue);
        Shared {
            name: config.name.as_str().into(),
            clock: Clock::new(),
            metrics: Arc::new(Metrics::new(&config.name)),
            ending: watch::Sender::new(false),
            boot: watch::Sender::new(Boot::default()),
            drained: Notify::new(),
            starts: (0..schedule.scale.places()).map(|_| Notify::new()).collect(),
            schedule: Mutex::new(schedule),
            fingerprints: Fingerprints::default(),
            poison: Mutex::default(),
            has_poison: AtomicBool::new(false),
            memory_looked: Mutex::new(Instant::now()),
            restarts: Mutex::default(),
            counts: Mutex::default(),
            directory: rendezvous.path().to_owned(),
            rendezvous: Mutex::new(Some(rendezvous)),
            cgroups: Mutex::new(cgroups),
            jobs: AtomicU64::new(1),
            config,
            handler,
        }
    }

    pub(crate) fn is_threaded(&self) -> bool {
        self.config.is_threaded()
    }

    /// Returns how many workers there may be at a time.
    pub(crate) fn places(&self) -> usize {
        self.starts.len()
    }

    /// Returns the bytes of memory that a worker may have.
    pub(crate) fn memory(&self) -> Option<u64> {
        self.config.memory.as_ref().and_then(|memory| memory.bytes().ok())
    }

    /// Remembers the job that a worker has died of.
    pub(crate) fn blame(&self, flight: Option<&Flight>) {
        let flight = flight.filter(|_| self.config.repeat_crash_refusal);
        if let Some(fingerprint) = flight.and_then(|f| f.exchange.fingerprint(&self.fingerprints)) {
            let mut poison = lock(&self.poison);
            poison.killed(fingerprint, Instant::now());
            self.has_poison.store(true, Ordering::Relaxed);
        }
    }

    /// Tells whether a job has crashed so many workers that it is not given to another.
    pub(crate) fn is_poison(&self, exchange: &Exchange, now: Instant) -> bool {
        if !self.has_poison.load(Ordering::Relaxed) {
            return false;
        }
        let Some(fingerprint) = exchange.fingerprint(&self.fingerprints) else {
            return false;
        };
        let mut poison = lock(&self.poison);
        let is_refused = poison.is_refused(fingerprint, now);
        self.has_poison.store(!poison.is_empty(), Ordering::Relaxed);
        is_refused
    }

    pub(crate) fn socket(&self, number: usize) -> PathBuf {
        self.directory.join(number.to_string())
    }

    pub(crate) fn schedule(&self) -> MutexGuard<'_, Schedule> {
        lock(&self.schedule)
    }

    pub(crate) fn next_number(&self) -> u64 {
        self.jobs.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn counts(&self) -> Counts {
        lock(&self.counts).clone()
    }

    pub(crate) fn restarts(&self) -> MutexGuard<'_, Restarts> {
        lock(&self.restarts)
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut lock(&self.counts));
    }

    /// Takes in a new job: sends it, queues it, or refuses it.
    pub(crate) fn enter(self: &Arc<Self>, exchange: &Arc<Exchange>) -> Result<(), Error> {
        if exchange.head_bytes > HEAD_BYTES_MAX {
            let bytes = exchange.head_bytes;
            let message = format!("the job's head has {bytes} bytes, at most {HEAD_BYTES_MAX} are allowed");
            return Err(Error::Failed { message });
        }
        let now = Instant::now();
        if self.is_poison(exchange, now) {
            self.count(|c| c.refused_repeat_crash += 1);
            self.metrics.refused(REFUSED_POISON, 1);
            return Err(Error::RepeatCrash);
        }
        let until = now + self.config.queue_timeout;
        let mut schedule = self.schedule();
        let entered = schedule.enter(exchange, now, until);
        let is_starting = schedule.is_starting();
        let may_grow = schedule.scale.may_grow();
        drop(schedule);
        match entered {
            Entered::Leased(link) => self.begin(&link, vec![Arc::clone(exchange)], now),
            // Unless a worker has come meanwhile and has taken it. Where no start is under way, this job is the reason for the next.
            Entered::Queued if is_starting && self.is_broken() && self.schedule().forget(exchange) => {
                self.count(|c| c.refused_broken += 1);
                self.metrics.refused(REFUSED_BROKEN, 1);
                return Err(Error::Unavailable { retry_after: self.restarts().pause() });
            }
            Entered::Queued => {
                self.clock.arm(until);
                if may_grow {
                    self.grow(now);
                }
            }
            Entered::Full => {
                self.count(|c| c.refused_full += 1);
                self.metrics.refused(REFUSED_FULL, 1);
                return Err(Error::QueueFull { retry_after: self.retry_after() });
            }
            Entered::Stopping => return Err(Error::Stopping),
        }
        Ok(())
    }

    /// Tells whether jobs are refused because no worker can be started.
    pub(crate) fn is_broken(&self) -> bool {
        self.config.breaker && self.restarts().is_broken()
    }

    /// Sends jobs to a worker that is leased for them or has others of its kind.
    fn begin(self: &Arc<Self>, link: &Arc<Link>, mut batch: Vec<Arc<Exchange>>, now: Instant) {
        batch.iter().for_each(|exchange| self.metrics.sent(&exchange.wait, now));
        match link.begin(&mut batch, now) {
            // Nobody waits for them any more.
            Begun::Running(0, _) => self.free(link),
            Begun::Running(_, due) => {
                let weighed = self.is_weighed().then(|| now + MEMORY_LOOK);
                let slow_due = self.config.slow_after.map(|after| now + after);
                if let Some(due) = earlier(earlier(due, weighed), slow_due) {
                    self.clock.arm(due);
                }
            }
            Begun::Closed => self.put_back(batch),
        }
    }

    /// Gives a worker that has ended a job the next ones.
    pub(crate) fn free(self: &Arc<Self>, link: &Arc<Link>) {
        let now = Instant::now();
        let Load { in_flight, room, is_worn } = link.load(now);
        if is_worn && !self.is_threaded() {
            self.wear_out(link);
        }
        if room == 0 {
            return;
        }
        let mut batch = Vec::new();
        let mut schedule = self.schedule();
        let next = schedule.next(link, in_flight, room, now, &mut batch);
        let is_drained = schedule.is_drained();
        let may_shrink = schedule.scale.may_shrink();
        drop(schedule);
        if is_drained {
            self.drained.notify_waiters();
        }
        match next {
            Next::Work if batch.is_empty() => {}
            Next::Work => self.begin(link, batch, now),
            Next::Rest if may_shrink => self.clock.arm(now + self.config.idle_timeout),
            Next::Rest => {}
            Next::Leave => {
                self.dismiss(std::slice::from_ref(link));
                self.order();
                self.pair();
            }
        }
    }

    /// Puts jobs that no worker runs before all others.
    pub(crate) fn put_back(self: &Arc<Self>, exchanges: Vec<Arc<Exchange>>) {
        let now = Instant::now();
        let until = now + self.config.queue_timeout;
        self.schedule().put_back(exchanges, now, until);
        if *self.ending.borrow() {
            // Looked at after they are in there, because the end clears the queue once.
            return self.end_waiting();
        }
        self.clock.arm(until);
        // A pool on demand may have let its other workers go while these ran.
        self.grow(now);
    }

    /// Ends every job that waits, because the pool ends.
    fn end_waiting(&self) {
        let waiting = self.schedule().clear();
        waiting.iter().for_each(|exchange| exchange.fail(Error::Stopping));
    }

    /// Tells whoever stops the pool when everything that was accepted is over.
    fn look_for_drained(&self) {
        if self.schedule().is_drained() {
            self.drained.notify_waiters();
        }
    }

    /// Notes that jobs which passed between the queue and a worker have arrived, or are over.
    pub(crate) fn has_passed(&self) {
        self.schedule().has_passed();
        self.look_for_drained();
    }

    /// Gives waiting jobs to idle workers.
    fn pair(self: &Arc<Self>) {
        loop {
            let Some((link, exchange)) = self.schedule().pair() else {
                return;
            };
            self.begin(&link, vec![exchange], Instant::now());
            self.has_passed();
        }
    }

    /// Takes a job back that nobody waits for: out of the queue, or by telling its worker.
    pub(crate) fn abandon(&self, exchange: &Arc<Exchange>) {
        match exchange.abandon() {
            Some((link, stream)) => {
                if let Some(until) = link.cancel(stream, self.config.cancel_grace) {
                    self.clock.arm(until);
                }
            }
            None => {
                self.schedule().forget(exchange);
                self.look_for_drained();
            }
        }
    }

    /// Ends whatever has run out of time.
    pub(crate) fn expire(self: &Arc<Self>, now: Instant) {
        let links = self.schedule().links.clone();
        let (mut next, mut slow) = (None, Vec::new());
        for link in links {
            let expired = link.expire(now, &self.config);
            next = [next, expired.due].into_iter().flatten().min();
            slow.extend(expired.slow.map(|running| (Arc::clone(&link), running)));
            expired.late.iter().for_each(|exchange| exchange.fail(Error::Deadline));
            // The answer goes out before the worker is killed.
            if let Some((kill, flight)) = expired.kill {
                flight.exchange.fail(kill.error());
                self.metrics.count(kill.outcome());
            }
        }
        next = earlier(next, self.weigh(now));
        next = earlier(next, self.replace_worn(now));
        let (late, due) = self.schedule().expire(now);
        if !late.is_empty() {
            self.refuse_late(&late);
        }
        let (gone, idle_due) = self.schedule().shrink(now, self.config.idle_timeout);
        self.dismiss(&gone);
        if let Some(at) = earlier(earlier(next, due), idle_due) {
            self.clock.arm(at);
        }
        self.grow(now);
        // Last, because it reads files.
        slow.iter().for_each(|(link, running)| self.report_slow(link, running, now));
    }

    /// Answers jobs that have waited for too long.
    fn refuse_late(&self, late: &[Arc<Exchange>]) {
        self.count(|c| c.refused_late += late.len() as u64);
        self.metrics.refused(REFUSED_LATE, late.len());
        let retry_after = self.retry_after();
        late.iter().for_each(|exchange| exchange.fail(Error::QueueTimeout { retry_after }));
        self.look_for_drained();
    }

    /// Estimates when the queue will have been worked off.
    fn retry_after(&self) -> Duration {
        let (links, queued) = {
            let schedule = self.schedule();
            (schedule.links.clone(), schedule.queued() as u32)
        };
        let workers = (links.len() as u32).max(1);
        let service = links.iter().map(|l| l.service()).sum::<Duration>() / workers;
        let seconds = (service * queued / workers).as_secs_f64().ceil();
        Duration::from_secs_f64(seconds.clamp(1.0, 30.0))
    }

    /// Refuses new jobs and gives those accepted so much time to end.
    pub(crate) async fn drain(&self, grace: Duration) {
        self.schedule().stop();
        let drained = async {
            loop {
                let next = self.drained.notified();
                if self.schedule().is_drained() {
                    break;
                }
                next.await;
            }
        };
        // When the pool has ended already, as with its runtime, there is nobody left who could end a job.
        let is_waiting = !grace.is_zero() && !*self.ending.borrow();
        if is_waiting && timeout(grace, drained).await.is_err() {
            tracing::warn!(pool = %self.name, "jobs were still running after the grace period");
        }
    }

    /// Returns where workers get cgroups, if they do.
    pub(crate) fn cgroups(&self) -> Option<Cgroups> {
        lock(&self.cgroups).clone()
    }

    /// Gives up where workers had cgroups; with the last pool that removes it, which takes the kernel milliseconds.
    pub(crate) async fn close_cgroups(&self) {
        let cgroups = lock(&self.cgroups).take();
        let _ = tokio::task::spawn_blocking(move || drop(cgroups)).await;
    }

    /// Removes the directory with the sockets.
    pub(crate) fn close_rendezvous(&self) {
        lock(&self.rendezvous).take();
    }

    /// Ends every worker and refuses everything that waits.
    pub(crate) fn end(&self) {
        self.ending.send_replace(true);
        let links = {
            let mut schedule = self.schedule();
            schedule.stop();
            schedule.links.clone()
        };
        self.end_waiting();
        links.iter().for_each(|link| link.close(Closed::Killed(Kill::Stop)));
    }
}
