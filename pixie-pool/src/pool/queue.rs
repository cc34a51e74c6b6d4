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
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{Notify, watch},
    task::yield_now,
    time::timeout,
};

use crate::{
    config::{
        CPU_CHECK_INTERVAL_MIN, Config, GROW_AFTER, HEAD_BYTES_MAX, MEMORY_CHECK_INTERVAL, SENT_AT_ONCE, STEP_INTERVAL,
        SURPLUS_CHECK_INTERVAL,
    },
    error::Error,
    pool::{
        connection::{
            Closed, Connection, JobState, Kill, Location, Queued, Sent, SharedQueue, SharedSend, earlier,
            takes_from_queue,
        },
        observers::{Observers, Refusal},
        queue::{
            rules::{Next, Place, Reader, Rules, Submitted},
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
    /// The queue that all workers read; `None` if they are leased.
    pub(crate) shared: Option<SharedQueue>,
    /// New jobs for that socket, which are sent together: fewer messages then wake a worker.
    outbox: Mutex<Vec<Queued<Arc<JobState>>>>,
    has_outgoing: Notify,
    /// Whether a worker has exited that may have read a job and not claimed it.
    must_take_back: AtomicBool,
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

impl Reader for Arc<Connection> {
    fn is_busy(&self) -> bool {
        self.as_ref().is_busy()
    }
}

impl Queue {
    pub(crate) fn new(config: Arc<Config>, observers: Arc<Observers>) -> io::Result<Self> {
        let is_shared = takes_from_queue(&config);
        let rules = Rules::new(&config, is_shared);
        Ok(Queue {
            shared: is_shared.then(|| SharedQueue::new(rules.scale.slots(), config.cancel_grace)).transpose()?,
            outbox: Mutex::new(Vec::new()),
            has_outgoing: Notify::new(),
            must_take_back: AtomicBool::new(false),
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
        })
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
        let mut rules = self.rules();
        let submitted = rules.submit(Arc::clone(job), job.client, now);
        let may_wait = rules.queued() > SENT_AT_ONCE;
        drop(rules);
        match submitted {
            Submitted::Sent(Place::Shared, queued) if may_wait => self.send_soon(queued),
            Submitted::Sent(place, queued) => {
                self.send(place, queued, now);
            }
            Submitted::Queued { until, may_grow, refused } => {
                self.timer.arm(until);
                if let Some(refused) = refused {
                    self.observers.refused(Refusal::QueueFull, 1);
                    refused.fail(Error::QueueFull { retry_after: self.retry_after() });
                }
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

    /// Sends a job; returns false if there is no room for it or another one now.
    fn send(self: &Arc<Self>, place: Place<Arc<Connection>>, queued: Queued<Arc<JobState>>, now: Instant) -> bool {
        self.observers.metrics.sent(&queued.job.queue_wait, now);
        match (place, &self.shared) {
            (Place::Worker(connection), _) => match connection.send(queued.job, now) {
                Sent::Done(due) => self.arm(due, now),
                Sent::Over => self.rest(&connection),
                Sent::Closed(job) => self.put_back(vec![job]),
            },
            (Place::Shared, Some(shared)) => {
                let until = queued.until;
                match shared.send(queued, now) {
                    SharedSend::Sent(due) => {
                        let cpu_due = self.config.cpu_time.map(|time| now + (time / 64).max(CPU_CHECK_INTERVAL_MIN));
                        let is_waiting = self.rules().queued() > 0;
                        let wait_due = if is_waiting { now + GROW_AFTER } else { until };
                        self.arm(earlier(earlier(due, cpu_due), Some(wait_due)), now);
                    }
                    SharedSend::Over => {
                        self.rules().withdrawn(1);
                        self.note_drained();
                    }
                    SharedSend::Full(queued) => {
                        let mut rules = self.rules();
                        rules.withdrawn(1);
                        self.requeue(rules, vec![queued]);
                        self.timer.arm(now + STEP_INTERVAL);
                        return false;
                    }
                }
            }
            (Place::Shared, None) => {}
        }
        true
    }

    /// Sends a job together with those that other tasks of the runtime submit in the same turn.
    fn send_soon(&self, queued: Queued<Arc<JobState>>) {
        let mut outbox = self.outbox.lock().unwrap_or_else(PoisonError::into_inner);
        outbox.push(queued);
        if outbox.len() == 1 {
            drop(outbox);
            self.has_outgoing.notify_one();
        }
    }

    fn take_outbox(&self) -> Vec<Queued<Arc<JobState>>> {
        std::mem::take(&mut *self.outbox.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends new jobs until the pool ends.
    pub(crate) async fn send_outgoing(self: &Arc<Self>) {
        loop {
            self.has_outgoing.notified().await;
            // Until the other tasks have had their turn.
            yield_now().await;
            let now = Instant::now();
            for queued in self.take_outbox() {
                self.send(Place::Shared, queued, now);
            }
        }
    }

    /// Arms the timer for a job that was sent now.
    fn arm(&self, due: Option<Instant>, now: Instant) {
        let memory_due = self.config.checks_memory().then(|| now + MEMORY_CHECK_INTERVAL);
        let slow_due = self.config.slow_after.map(|after| now + after);
        if let Some(due) = earlier(earlier(due, memory_due), slow_due) {
            self.timer.arm(due);
        }
    }

    /// Gives the next jobs to a worker that has ended some.
    pub(crate) fn ended(self: &Arc<Self>, connection: &Arc<Connection>, jobs: usize) {
        let now = Instant::now();
        let (is_recycled, is_used_up) = {
            let state = connection.state();
            (state.is_recycled(now), state.recycling.is_used_up(state.jobs))
        };
        if is_recycled {
            self.replace(connection);
        }
        let mut rules = self.rules();
        let mut gone = Vec::new();
        if self.shared.is_some() {
            gone = rules.ended(jobs, now);
            if is_used_up && rules.retire(connection) {
                gone.push(Arc::clone(connection));
            }
        } else if rules.rest(connection, is_used_up, now) == Next::Leave {
            gone.push(Arc::clone(connection));
        }
        let (may_shrink, is_drained, has_queued) = (rules.scale.may_shrink(), rules.is_drained(), rules.has_waiting());
        let has_surplus = rules.has_surplus();
        drop(rules);
        if is_drained {
            self.drained.notify_waiters();
        }
        if may_shrink {
            self.timer.arm(now + self.config.idle_timeout);
        }
        if has_surplus {
            self.timer.arm(now + SURPLUS_CHECK_INTERVAL);
        }
        if !gone.is_empty() {
            self.dismiss(&gone);
            self.order_starts();
        }
        if has_queued {
            self.pair();
        }
    }

    /// Makes a leased worker idle whose job was canceled before it was sent.
    fn rest(self: &Arc<Self>, connection: &Arc<Connection>) {
        self.ended(connection, 0);
    }

    /// Puts jobs that left their worker before all others.
    pub(crate) fn put_back(self: &Arc<Self>, jobs: Vec<Arc<JobState>>) {
        let now = Instant::now();
        let rules = self.rules();
        let jobs = jobs.into_iter().map(|job| rules.requeued(job, now)).collect();
        if let Some(until) = self.requeue(rules, jobs) {
            self.timer.arm(until);
            // A pool on demand may have ended its other workers while these jobs ran.
            self.grow(now);
        }
    }

    /// Puts jobs before all others, or fails them if the pool has ended; returns when the first has waited
    /// too long. Takes the lock, under which the jobs have left their last place.
    fn requeue(
        &self,
        mut rules: MutexGuard<'_, Rules<Arc<Connection>, Arc<JobState>>>,
        jobs: Vec<Queued<Arc<JobState>>>,
    ) -> Option<Instant> {
        let put_back = rules.put_back(jobs);
        drop(rules);
        put_back.unwrap_or_else(|jobs| {
            jobs.iter().for_each(|job| job.fail(Error::Stopping));
            None
        })
    }

    pub(crate) fn pair(self: &Arc<Self>) {
        loop {
            let Some((place, queued)) = self.rules().pair() else {
                return;
            };
            let has_room = self.send(place, queued, Instant::now());
            self.note_passed();
            if !has_room {
                return;
            }
        }
    }

    /// Cancels a job: removes it from the queue, or tells its worker.
    pub(crate) fn cancel(&self, job: &Arc<JobState>) {
        match job.cancel() {
            Location::Worker(connection, stream) => {
                if let Some(until) = connection.cancel(stream, self.config.cancel_grace) {
                    self.timer.arm(until);
                }
            }
            Location::Shared(stream) => {
                if self.shared.as_ref().is_some_and(|shared| shared.cancel(stream)) {
                    self.timer.arm(Instant::now());
                }
            }
            Location::Queue => {
                self.rules().cancel(job);
                self.note_drained();
            }
            Location::Over => {}
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

    /// Starts the workers that are missing, and lets as many read the shared queue as may run jobs.
    pub(crate) fn order_starts(&self) {
        let mut rules = self.rules();
        let (slots, opened) = (rules.scale.fill(), rules.open(Instant::now()));
        drop(rules);
        opened.iter().for_each(|connection| connection.open());
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

    pub(crate) fn replace(&self, connection: &Arc<Connection>) {
        if self.config.is_threaded() {
            return;
        }
        let gone = self.rules().replace(connection);
        if let Some(gone) = gone {
            self.dismiss(&gone);
            self.order_starts();
        }
    }

    /// Ends workers that are not listed any longer.
    pub(crate) fn dismiss(&self, connections: &[Arc<Connection>]) {
        for connection in connections {
            connection.retire();
            // A message may have woken this worker, which does not read it any longer.
            self.timer.arm(Instant::now() + GROW_AFTER);
        }
    }

    /// Has the jobs looked for that an exited worker may have read and not claimed.
    pub(crate) fn find_lost(&self) {
        self.must_take_back.store(true, Ordering::SeqCst);
        self.timer.arm(Instant::now());
    }

    /// Returns the connections of all workers that may have a job.
    pub(crate) fn connections(&self) -> Vec<Arc<Connection>> {
        match &self.shared {
            Some(shared) => shared.readers(),
            None => self.rules().workers().cloned().collect(),
        }
    }

    /// Notes which jobs the workers run, if they take them by themselves; returns when to check their times.
    pub(crate) fn adopt_running(&self) -> Option<Instant> {
        let shared = self.shared.as_ref()?;
        shared.readers().iter().filter_map(|connection| connection.adopt_running(shared)).min()
    }

    /// Remembers the job that ran in a crash, which it may have caused.
    pub(crate) fn note_crash(&self, job: Option<&JobState>) {
        let job = job.filter(|_| self.config.repeat_crash_refusal);
        if let Some(fingerprint) = job.and_then(|job| job.fingerprint(&self.fingerprints)) {
            self.rules().repeat_crashes.note(fingerprint, Instant::now());
            self.remembers_crashes.store(true, Ordering::Relaxed);
        }
    }

    /// Forgets the crashes of a job that was answered.
    pub(crate) fn note_answer(&self, job: &JobState) {
        if self.remembers_crashes.load(Ordering::Relaxed)
            && let Some(fingerprint) = job.fingerprint(&self.fingerprints)
        {
            self.rules().repeat_crashes.forget(fingerprint);
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

    fn retry_after(&self) -> Duration {
        let now = Instant::now();
        let times: Vec<Duration> = self.connections().iter().map(|connection| connection.job_time(now)).collect();
        let rules = self.rules();
        let waited = rules.oldest().map(|since| now.saturating_duration_since(since)).unwrap_or_default();
        estimate(waited, rules.queued(), &times)
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
        let queued = self.rules().end();
        let outgoing = self.take_outbox().into_iter().map(|queued| queued.job);
        queued.into_iter().chain(outgoing).for_each(|job| job.fail(Error::Stopping));
        let listed: Vec<_> = self.rules().workers().cloned().collect();
        self.timer.end();
        for connection in listed.iter().chain(&self.connections()) {
            connection.close(Closed::Killed(Kill::Stop));
        }
        if let Some(shared) = &self.shared {
            shared.clear().iter().for_each(|job| job.fail(Error::Stopping));
        }
    }
}

/// Estimates when there will be room: when the workers, whose jobs take these times, have run the jobs
/// that wait. That is not before the oldest one, which has waited for so long, has got a worker. Whole
/// seconds, 1 to 30.
fn estimate(waited: Duration, queued: usize, times: &[Duration]) -> Duration {
    let workers = times.len().max(1) as f64;
    let time = times.iter().map(Duration::as_secs_f64).sum::<f64>() / workers;
    let work = time * queued as f64 / workers;
    Duration::from_secs(waited.as_secs_f64().max(work).ceil().clamp(1.0, 30.0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_to_come_again_when_the_jobs_that_wait_have_run() {
        let ms = Duration::from_millis;
        for (waited, queued, times, seconds) in [
            (0, 0, &[][..], 1),
            (0, 9, &[ms(0), ms(0)], 1),
            (10, 20, &[ms(700), ms(700)], 7),
            (10, 20, &[ms(100), ms(1200)], 7),
            (4200, 20, &[ms(10)], 5),
            (0, 1024, &[ms(700)], 30),
        ] {
            assert_eq!(
                estimate(ms(waited), queued, times),
                Duration::from_secs(seconds),
                "{waited} {queued} {times:?}"
            );
        }
    }
}
