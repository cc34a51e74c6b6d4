//! What all tasks of a pool share, and the steps that a job takes between them.
//!
//! Owns the way of a job from its entry to a worker and back into the queue, and the counters. Leaves who is next to `schedule`.
//! Rule: the lock on the schedule is held for moments, never while anything is sent, woken or awaited.

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
    config::{Config, HEAD_BYTES_MAX, MEMORY_LOOK, Size},
    error::Error,
    job::Handler,
    pool::{
        clock::Clock,
        exchange::Exchange,
        flight::Flight,
        kill::{Closed, Kill},
        line::earlier,
        link::{Begun, Link, Load},
        metrics::Metrics,
        poison::{Fingerprints, Poison},
        rendezvous::Rendezvous,
        restarts::{Reached, Restarts},
        schedule::{Entered, Next, Schedule},
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
    directory: PathBuf,
    jobs: AtomicU64,
}

impl Shared {
    pub(crate) fn new(config: Config, handler: Handler, rendezvous: Rendezvous) -> Self {
        let (size, spares) = match config.size.max {
            0 => (config.threads.max(1).into(), 0),
            _ => (config.size, config.spares),
        };
        let schedule = Schedule::new(size, spares, config.queue);
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
            jobs: AtomicU64::new(1),
            config,
            handler,
        }
    }

    pub(crate) fn is_threaded(&self) -> bool {
        self.config.size.max == 0
    }

    /// Returns how many jobs may run at the same time, at least and at most.
    pub(crate) fn size(&self) -> Size {
        if self.is_threaded() { self.config.threads.max(1).into() } else { self.config.size }
    }

    /// Returns how many workers there may be at a time.
    pub(crate) fn places(&self) -> usize {
        self.starts.len()
    }

    /// Returns the bytes of memory that a worker may have.
    pub(crate) fn memory(&self) -> Option<u64> {
        self.config.memory.as_ref().and_then(|memory| memory.bytes().ok())
    }

    /// Waits until a worker is to be started in this place; false once the pool ends.
    pub(crate) async fn is_wanted(&self, place: usize) -> bool {
        let mut ending = self.ending.subscribe();
        tokio::select! {
            biased;
            _ = ending.wait_for(|e| *e) => false,
            () = self.starts[place - 1].notified() => true,
        }
    }

    /// Tells whether the next worker is to be started in a place whose worker has ended.
    pub(crate) fn is_refilled(&self, place: usize) -> bool {
        let is_refilled = self.schedule().scale.refill(place);
        // Others may be wanted that this one was still counted as.
        self.order();
        is_refilled
    }

    /// Asks for as many starts as there are workers missing.
    pub(crate) fn order(&self) {
        let places = self.schedule().scale.fill();
        places.into_iter().for_each(|place| self.starts[place - 1].notify_one());
    }

    /// Remembers the job that a worker has died of.
    pub(crate) fn blame(&self, flight: Option<&Flight>) {
        let flight = flight.filter(|_| self.config.poison_refusal);
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
            self.count(|c| c.refused_poison += 1);
            self.metrics.refused(REFUSED_POISON, 1);
            return Err(Error::Poison);
        }
        let until = now + self.config.queue_timeout;
        let mut schedule = self.schedule();
        let entered = schedule.enter(exchange, now, until);
        let has_workers = !schedule.links.is_empty();
        let may_grow = schedule.scale.may_grow();
        drop(schedule);
        match entered {
            Entered::Leased(link) => self.begin(&link, vec![Arc::clone(exchange)], now),
            // Unless a worker has come meanwhile and has taken it.
            Entered::Queued if !has_workers && self.is_broken() && self.schedule().forget(exchange) => {
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

    /// Lets more workers run if jobs wait for too long.
    fn grow(self: &Arc<Self>, now: Instant) {
        if let Some(due) = self.schedule().grow(now) {
            self.clock.arm(due);
        }
        self.order();
        self.pair();
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
                self.look_at_ages(now);
                self.pair();
            }
        }
    }

    /// Has the clock look at the workers' ages: one that is new has one, and one that goes makes room to replace the next.
    fn look_at_ages(&self, now: Instant) {
        if self.config.recycle_age.is_some() {
            self.clock.arm(now);
        }
    }

    /// Has a worker replaced that has done enough.
    fn wear_out(&self, link: &Arc<Link>) {
        if self.schedule().wear_out(link) {
            self.order();
        }
    }

    /// Lets workers go that have no job and are not listed any more.
    fn dismiss(&self, links: &[Arc<Link>]) {
        links.iter().for_each(|link| link.close(Closed::Killed(Kill::Retire)));
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

    /// Gives waiting jobs to idle workers.
    fn pair(self: &Arc<Self>) {
        loop {
            let Some((link, exchange)) = self.schedule().pair() else {
                return;
            };
            self.begin(&link, vec![exchange], Instant::now());
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

    /// Adds a worker that is ready.
    pub(crate) fn add(self: &Arc<Self>, link: &Arc<Link>) {
        self.restarts().ready();
        let now = Instant::now();
        let mut schedule = self.schedule();
        let gone = schedule.add(link, now);
        let may_shrink = schedule.scale.may_shrink();
        drop(schedule);
        self.dismiss(&gone);
        if may_shrink {
            self.clock.arm(now + self.config.idle_timeout);
        }
        self.look_at_ages(now);
        if *self.ending.borrow() {
            link.close(Closed::Killed(Kill::Stop));
        }
        let is_first = self.boot.send_if_modified(|boot| !std::mem::replace(&mut boot.is_ready, true));
        if is_first {
            self.config.sandbox.report(&self.name, (!self.is_threaded()).then_some(&link.sandbox));
        }
        tracing::debug!(pool = %self.name, worker = link.number, pid = link.pid, "a worker is ready");
        self.pair();
    }

    /// Removes a worker that has ended.
    pub(crate) fn remove(self: &Arc<Self>, link: &Arc<Link>, closed: Closed) {
        self.schedule().remove(link);
        self.look_for_drained();
        self.look_at_ages(Instant::now());
        self.count(|c| {
            c.jobs += link.jobs();
            match closed {
                Closed::Killed(Kill::Deadline) => c.kills_deadline += 1,
                Closed::Killed(Kill::CpuTime) => c.kills_cpu_time += 1,
                Closed::Killed(Kill::Memory) => c.kills_memory += 1,
                Closed::Killed(Kill::Cancel) => c.kills_cancel += 1,
                Closed::Killed(Kill::Idle) => c.kills_idle += 1,
                Closed::Killed(Kill::Protocol) => c.kills_protocol += 1,
                Closed::Killed(Kill::Stuck) => c.kills_stuck += 1,
                Closed::Killed(Kill::Retire) if link.is_worn() => c.recycled += 1,
                Closed::Killed(Kill::Retire) => c.retired += 1,
                Closed::Killed(Kill::Stop) | Closed::Exited => {}
            }
        });
        self.pair();
    }

    /// Notes a start that failed; returns how long to wait before the next.
    pub(crate) fn boot_failed(&self, number: usize, why: &str) -> Duration {
        tracing::error!(pool = %self.name, worker = number, "starting a worker failed: {why}");
        self.count(|c| c.boot_failures += 1);
        self.metrics.boot_failed();
        let mut restarts = self.restarts();
        let pause = restarts.died(Reached::Nothing);
        drop(restarts);
        let is_broken = self.is_broken();
        self.boot.send_modify(|boot| {
            boot.failures += 1;
            boot.failure = format!("worker {number}: {why}");
        });
        let mut schedule = self.schedule();
        if is_broken && schedule.links.is_empty() {
            let waiting = schedule.clear();
            drop(schedule);
            self.count(|c| c.refused_broken += waiting.len() as u64);
            self.metrics.refused(REFUSED_BROKEN, waiting.len());
            waiting.iter().for_each(|exchange| exchange.fail(Error::Unavailable { retry_after: pause }));
            self.look_for_drained();
        }
        pause
    }

    /// Ends whatever has run out of time.
    pub(crate) fn expire(self: &Arc<Self>, now: Instant) {
        let links = self.schedule().links.clone();
        let mut next = None;
        for link in links {
            let expired = link.expire(now, &self.config);
            next = [next, expired.due].into_iter().flatten().min();
            if let Some(slow) = &expired.slow {
                self.report_slow(&link, slow, now);
            }
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
    }

    /// Answers jobs that have waited for too long.
    fn refuse_late(&self, late: &[Arc<Exchange>]) {
        self.count(|c| c.refused_late += late.len() as u64);
        self.metrics.refused(REFUSED_LATE, late.len());
        let retry_after = self.retry_after();
        late.iter().for_each(|exchange| exchange.fail(Error::QueueTimeout { retry_after }));
        self.look_for_drained();
    }

    fn is_weighed(&self) -> bool {
        !self.is_threaded() && (self.config.memory.is_some() || self.config.recycle_memory.is_some())
    }

    /// Looks at the memory of workers that run jobs, now and then; returns when to look again.
    fn weigh(&self, now: Instant) -> Option<Instant> {
        if !self.is_weighed() {
            return None;
        }
        let mut looked = lock(&self.memory_looked);
        let links: Vec<_> = self.schedule().links.iter().filter(|link| link.is_busy()).cloned().collect();
        if links.is_empty() {
            return None;
        }
        if now >= *looked + MEMORY_LOOK {
            *looked = now;
            let recycle = self.config.recycle_memory.as_ref().and_then(|bytes| bytes.bytes().ok());
            let over = links.iter().filter_map(|link| link.weigh(self.memory(), recycle));
            over.for_each(|exchange| {
                exchange.fail(Error::Memory);
                self.metrics.count(Kill::Memory.outcome());
            });
        }
        Some(*looked + MEMORY_LOOK)
    }

    /// Has a worker replaced that is old enough; returns when the next one is.
    fn replace_worn(&self, now: Instant) -> Option<Instant> {
        self.config.recycle_age.filter(|_| !self.is_threaded())?;
        let links = self.schedule().links.clone();
        let (old, young): (Vec<_>, Vec<_>) =
            links.into_iter().filter_map(|link| Some((link.worn_at()?, link))).partition(|(at, _)| *at <= now);
        // One at a time: when its replacement is there, this is looked at again.
        old.iter().for_each(|(_, link)| self.wear_out(link));
        young.into_iter().map(|(at, _)| at).min()
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

    /// Waits until the first worker is ready, or every first start has failed.
    pub(crate) async fn first_ready(&self) -> Result<(), String> {
        let mut boot = self.boot.subscribe();
        if self.size().min == 0 {
            return Ok(());
        }
        let first = self.schedule().scale.at_first();
        let is_decided = |boot: &Boot| boot.is_ready || boot.failures >= first;
        match boot.wait_for(is_decided).await.as_deref() {
            Ok(Boot { is_ready: true, .. }) => Ok(()),
            Ok(Boot { failure, .. }) => Err(failure.clone()),
            Err(_) => Err("the runtime is shutting down".to_owned()),
        }
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
        if !grace.is_zero() && timeout(grace, drained).await.is_err() {
            tracing::warn!(pool = %self.name, "jobs were still running after the grace period");
        }
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
