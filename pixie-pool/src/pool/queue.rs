//! A job's way through a pool: submitted, queued, sent, put back.
//!
//! Owns the lock around the [rules](rules::Rules) and carries out what they decide. Leaves processes to
//! `process`. Invariant: the lock is held briefly, never while a job is sent or a task is woken.

mod repeat_crashes;
pub(crate) mod restarts;
mod rules;
mod scale;
pub(crate) mod timer;

use std::{
    hash::RandomState,
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
    config::{Config, HEAD_BYTES_MAX, MEMORY_CHECK_INTERVAL},
    error::Error,
    pool::{
        connection::{Closed, Connection, JobState, Kill, Sent, earlier},
        observers::{Observers, Refusal},
        queue::{
            rules::{Next, Rules, Submitted},
            timer::Timer,
        },
    },
};

#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) config: Arc<Config>,
    pub(crate) observers: Arc<Observers>,
    pub(crate) timer: Timer,
    /// True from the end of the pool on.
    pub(crate) ending: watch::Sender<bool>,
    rules: Mutex<Rules<Arc<Connection>, Arc<JobState>>>,
    /// Makes fingerprints of jobs, with a random key, so that a client cannot construct an equal one.
    fingerprints: RandomState,
    /// Whether the rules remember crashes; otherwise jobs are not fingerprinted.
    remembers_crashes: AtomicBool,
    drained: Notify,
    /// One for each slot; tells it to start a worker.
    starts: Vec<Notify>,
    last_job: AtomicU64,
    memory_checked: Mutex<Instant>,
}

impl Queue {
    pub(crate) fn new(config: Arc<Config>, observers: Arc<Observers>) -> Self {
        let rules = Rules::new(&config);
        Queue {
            config,
            observers,
            timer: Timer::new(),
            ending: watch::Sender::new(false),
            fingerprints: RandomState::new(),
            remembers_crashes: AtomicBool::new(false),
            drained: Notify::new(),
            starts: (0..rules.scale.slots()).map(|_| Notify::new()).collect(),
            last_job: AtomicU64::new(0),
            memory_checked: Mutex::new(Instant::now()),
            rules: Mutex::new(rules),
        }
    }

    pub(crate) fn rules(&self) -> MutexGuard<'_, Rules<Arc<Connection>, Arc<JobState>>> {
        // No change under this lock can leave the rules half changed.
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn slots(&self) -> usize {
        self.starts.len()
    }

    pub(crate) fn next_job_number(&self) -> u64 {
        self.last_job.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Takes in a new job: sends it, queues it or refuses it.
    pub(crate) fn submit(self: &Arc<Self>, job: &Arc<JobState>) -> Result<(), Error> {
        if job.head_bytes > HEAD_BYTES_MAX {
            let bytes = job.head_bytes;
            let message = format!("the job's head has {bytes} bytes, at most {HEAD_BYTES_MAX} are allowed");
            return Err(Error::Failed { message });
        }
        let now = Instant::now();
        if self.is_repeat_crash(job, now) {
            self.observers.refused(Refusal::RepeatCrash, 1);
            return Err(Error::RepeatCrash);
        }
        let submitted = self.rules().submit(Arc::clone(job), job.may_pipeline(), now);
        match submitted {
            Submitted::Leased(connection) => self.send(&connection, vec![Arc::clone(job)], now),
            Submitted::Queued { until, may_grow } => {
                self.timer.arm(until);
                if may_grow {
                    self.grow(now);
                }
            }
            Submitted::Refused(refusal) => {
                self.observers.refused(refusal, 1);
                return Err(match refusal {
                    Refusal::Unavailable => Error::Unavailable { retry_after: self.rules().restarts.pause() },
                    _ => Error::QueueFull { retry_after: self.retry_after() },
                });
            }
            Submitted::Stopping => return Err(Error::Stopping),
        }
        Ok(())
    }

    /// Sends jobs to a worker that is leased for them or runs others.
    fn send(self: &Arc<Self>, connection: &Arc<Connection>, mut batch: Vec<Arc<JobState>>, now: Instant) {
        batch.iter().for_each(|job| self.observers.metrics.sent(&job.queue_wait, now));
        match connection.send(&mut batch, now) {
            // The jobs were canceled.
            Sent::Jobs(0, _) => self.free(connection),
            Sent::Jobs(_, due) => {
                let memory_due = self.config.checks_memory().then(|| now + MEMORY_CHECK_INTERVAL);
                let slow_due = self.config.slow_after.map(|after| now + after);
                if let Some(due) = earlier(earlier(due, memory_due), slow_due) {
                    self.timer.arm(due);
                }
            }
            Sent::Closed => self.put_back(batch),
        }
    }

    /// Gives the next jobs to a worker that has ended one.
    pub(crate) fn free(self: &Arc<Self>, connection: &Arc<Connection>) {
        let now = Instant::now();
        let (sent, room, is_recycled) = {
            let state = connection.state();
            (state.sent.len(), state.room(now), state.is_recycled(now))
        };
        if is_recycled {
            self.replace(connection);
        }
        if room == 0 {
            return;
        }
        let mut batch = Vec::new();
        let mut rules = self.rules();
        let next = rules.next(connection, sent, room, now, &mut batch);
        let is_drained = rules.is_drained();
        drop(rules);
        if is_drained {
            self.drained.notify_waiters();
        }
        match next {
            Next::Work if batch.is_empty() => {}
            Next::Work => self.send(connection, batch, now),
            Next::Rest { may_shrink: true } => self.timer.arm(now + self.config.idle_timeout),
            Next::Rest { may_shrink: false } => {}
            Next::Leave => {
                self.dismiss(std::slice::from_ref(connection));
                self.order_starts();
                self.pair();
            }
        }
    }

    /// Puts jobs that left their worker before all others.
    pub(crate) fn put_back(self: &Arc<Self>, jobs: Vec<Arc<JobState>>) {
        let now = Instant::now();
        let jobs = jobs.into_iter().map(|job| (job.may_pipeline(), job)).collect();
        let put_back = self.rules().put_back(jobs, now);
        match put_back {
            Ok(until) => {
                self.timer.arm(until);
                // A pool on demand may have ended its other workers while these jobs ran.
                self.grow(now);
            }
            Err(jobs) => jobs.iter().for_each(|job| job.fail(Error::Stopping)),
        }
    }

    pub(crate) fn pair(self: &Arc<Self>) {
        loop {
            let Some((connection, job)) = self.rules().pair() else {
                return;
            };
            self.send(&connection, vec![job], Instant::now());
            self.note_passed();
        }
    }

    /// Cancels a job: removes it from the queue, or tells its worker.
    pub(crate) fn cancel(&self, job: &Arc<JobState>) {
        match job.cancel() {
            Some((connection, stream)) => {
                if let Some(until) = connection.cancel(stream, self.config.cancel_grace) {
                    self.timer.arm(until);
                }
            }
            None => {
                self.rules().cancel(job);
                self.note_drained();
            }
        }
    }

    /// Starts more workers if jobs wait too long.
    pub(crate) fn grow(self: &Arc<Self>, now: Instant) {
        if let Some(due) = self.rules().grow(now) {
            self.timer.arm(due);
        }
        self.order_starts();
        self.pair();
    }

    pub(crate) fn order_starts(&self) {
        let slots = self.rules().scale.fill();
        slots.into_iter().for_each(|slot| self.starts[slot - 1].notify_one());
    }

    /// Waits until a worker is to be started in this slot; returns false when the pool ends.
    pub(crate) async fn wait_for_start(&self, slot: usize) -> bool {
        let mut ending = self.ending.subscribe();
        tokio::select! {
            biased;
            _ = ending.wait_for(|ending| *ending) => false,
            () = self.starts[slot - 1].notified() => true,
        }
    }

    fn replace(&self, connection: &Arc<Connection>) {
        if self.config.is_threaded() {
            return;
        }
        let gone = self.rules().replace(connection);
        if let Some(gone) = gone {
            self.dismiss(&gone);
            self.order_starts();
        }
    }

    /// Ends workers that have no job and are not listed any longer.
    pub(crate) fn dismiss(&self, connections: &[Arc<Connection>]) {
        connections.iter().for_each(|connection| connection.close(Closed::Killed(Kill::Retire)));
    }

    /// Remembers the job that ran in a crash.
    pub(crate) fn note_crash(&self, job: Option<&JobState>) {
        let job = job.filter(|_| self.config.repeat_crash_refusal);
        if let Some(fingerprint) = job.and_then(|job| job.fingerprint(&self.fingerprints)) {
            self.rules().repeat_crashes.note(fingerprint, Instant::now());
            self.remembers_crashes.store(true, Ordering::Relaxed);
        }
    }

    /// Returns whether a job has crashed so many workers that it is refused.
    pub(crate) fn is_repeat_crash(&self, job: &JobState, now: Instant) -> bool {
        if !self.remembers_crashes.load(Ordering::Relaxed) {
            return false;
        }
        let Some(fingerprint) = job.fingerprint(&self.fingerprints) else {
            return false;
        };
        let mut rules = self.rules();
        let is_refused = rules.repeat_crashes.is_refused(fingerprint, now);
        self.remembers_crashes.store(!rules.repeat_crashes.is_empty(), Ordering::Relaxed);
        is_refused
    }

    /// Estimates when the queue will be empty.
    fn retry_after(&self) -> Duration {
        let (connections, queued): (Vec<_>, _) = {
            let rules = self.rules();
            (rules.workers().cloned().collect(), rules.queued() as u32)
        };
        let workers = (connections.len() as u32).max(1);
        let average = connections.iter().map(|connection| connection.throughput().average).sum::<Duration>() / workers;
        let seconds = (average * queued / workers).as_secs_f64().ceil();
        Duration::from_secs_f64(seconds.clamp(1.0, 30.0))
    }

    /// Wakes a stop that waits until all accepted jobs are over.
    pub(crate) fn note_drained(&self) {
        if self.rules().is_drained() {
            self.drained.notify_waiters();
        }
    }

    /// Notes that jobs which were on the way between the queue and a worker have arrived, or are over.
    pub(crate) fn note_passed(&self) {
        self.rules().has_passed();
        self.note_drained();
    }

    /// Refuses new jobs and waits until the accepted ones are over, for `grace` at most.
    pub(crate) async fn drain(&self, grace: Duration) {
        self.rules().stop();
        let drained = async {
            loop {
                let next = self.drained.notified();
                if self.rules().is_drained() {
                    break;
                }
                next.await;
            }
        };
        // After the end of the pool, for example with its runtime, jobs do not end any longer.
        let can_wait = !grace.is_zero() && !*self.ending.borrow();
        if can_wait && timeout(grace, drained).await.is_err() {
            tracing::warn!(pool = %self.observers.pool, "jobs were still running after the grace period");
        }
    }

    /// Ends all workers and fails all queued jobs.
    pub(crate) fn end(&self) {
        self.ending.send_replace(true);
        let (queued, connections): (_, Vec<_>) = {
            let mut rules = self.rules();
            (rules.end(), rules.workers().cloned().collect())
        };
        queued.iter().for_each(|job| job.fail(Error::Stopping));
        connections.iter().for_each(|connection| connection.close(Closed::Killed(Kill::Stop)));
    }
}
