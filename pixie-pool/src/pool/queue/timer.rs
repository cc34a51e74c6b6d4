//! One timer for a whole pool, and the checks of deadlines, timeouts, memory and ages when it fires.
//!
//! Owns the earliest time at which anything in the pool has to be checked, and a thread that waits for it: a
//! handler that blocks the async runtime does not delay a deadline. Sending a job costs one atomic operation
//! here; the thread is woken only for a time that is earlier than the one that it waits for.
//!
//! A deadline begins here: [`Queue::expire`] asks each connection
//! ([`connection`](crate::pool::connection)), which kills the process if its job is late, and answers the
//! job.

use std::{
    io,
    sync::{
        Arc, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, Thread},
    time::{Duration, Instant},
};

use crate::{
    config::{GROW_AFTER, MEMORY_CHECK_INTERVAL, STEP_INTERVAL, TIMER_STACK_BYTES},
    error::Error,
    pool::{
        connection::{Connection, JobState, Kill, MemoryCheck, earlier},
        observers::Refusal,
        queue::Queue,
    },
};

const NEVER: u64 = u64::MAX;

#[derive(Debug)]
pub(crate) struct Timer {
    epoch: Instant,
    /// The armed time, in nanoseconds after `epoch`.
    due: AtomicU64,
    thread: OnceLock<Thread>,
    has_ended: AtomicBool,
}

impl Timer {
    pub(crate) fn new() -> Self {
        Timer {
            epoch: Instant::now(),
            due: AtomicU64::new(NEVER),
            thread: OnceLock::new(),
            has_ended: AtomicBool::new(false),
        }
    }

    /// Makes the timer fire at that time or earlier.
    pub(crate) fn arm(&self, at: Instant) {
        let at = u64::try_from(at.saturating_duration_since(self.epoch).as_nanos()).unwrap_or(NEVER);
        // Most jobs have the same deadline, so theirs is later than the armed one.
        if at < self.due.load(Ordering::SeqCst) && at < self.due.fetch_min(at, Ordering::SeqCst) {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Ends the thread.
    pub(crate) fn end(&self) {
        self.has_ended.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// Waits for the armed time and disarms the timer; times that are armed then count for the next call.
    /// Returns false at the end.
    fn wait(&self) -> bool {
        self.thread.get_or_init(thread::current);
        while !self.has_ended.load(Ordering::SeqCst) {
            let due = self.due.load(Ordering::SeqCst);
            let at = self.epoch + Duration::from_nanos(due);
            match at.checked_duration_since(Instant::now()) {
                _ if due == NEVER => thread::park(),
                Some(left) if !left.is_zero() => thread::park_timeout(left),
                _ => {
                    self.due.store(NEVER, Ordering::SeqCst);
                    return true;
                }
            }
        }
        false
    }
}

/// Starts the thread that checks the pool's times until the pool ends.
pub(crate) fn start(queue: &Arc<Queue>) -> io::Result<()> {
    let queue = Arc::clone(queue);
    let builder = thread::Builder::new().name("pool-timer".to_owned()).stack_size(TIMER_STACK_BYTES);
    builder.spawn(move || {
        while queue.timer.wait() {
            queue.expire(Instant::now());
        }
    })?;
    Ok(())
}

/// Sends new jobs until the pool ends.
pub(crate) async fn send_jobs(guard: RuntimeGuard) {
    let mut ending = guard.0.ending.subscribe();
    tokio::select! {
        _ = ending.wait_for(|ending| *ending) => {}
        () = guard.0.send_outgoing() => {}
    }
}

/// Ends the pool when its runtime ends: a runtime that shuts down drops its tasks, even those that never ran.
pub(crate) struct RuntimeGuard(pub(crate) Arc<Queue>);

impl Drop for RuntimeGuard {
    fn drop(&mut self) {
        if !*self.0.ending.borrow() {
            tracing::warn!(pool = %self.0.observers.pool, "the pool ends, because the runtime that it was started on has shut down");
            self.0.end();
        }
    }
}

impl Queue {
    /// Ends all jobs and workers that have reached a time limit.
    fn expire(self: &Arc<Self>, now: Instant) {
        let adopted = self.adopt_running();
        let connections = self.connections();
        let has_waiting = self.shared.as_ref().is_some_and(|shared| shared.waits().is_some());
        let (mut next, mut slow) = (adopted, Vec::new());
        for connection in &connections {
            let expired = connection.expire(now, has_waiting, &self.config);
            next = earlier(next, expired.due);
            slow.extend(expired.slow.map(|running| (connection, running)));
            if let Some(job) = expired.stalled {
                job.fail(Error::Body(io::ErrorKind::TimedOut.into()));
            }
            if let Some((kill, sent)) = expired.kill {
                self.killed(kill, &sent.job);
            }
        }
        next = earlier(next, self.check_memory(&connections, now));
        next = earlier(next, self.check_ages(&connections, now));
        next = earlier(next, self.take_back(now));
        let (late, late_due) = self.rules().expire(now);
        if !late.is_empty() {
            self.observers.refused(Refusal::QueueTimeout, late.len());
            let retry_after = self.retry_after();
            late.iter().for_each(|job| job.fail(Error::QueueTimeout { retry_after }));
            self.note_drained();
        }
        let (surplus, idle_due) = self.rules().shrink(now);
        self.dismiss(&surplus);
        if let Some(at) = earlier(earlier(next, late_due), idle_due) {
            self.timer.arm(at);
        }
        self.grow(now);
        // Last, because it reads files.
        slow.iter().for_each(|(connection, running)| self.observers.report_slow(connection, running, now));
    }

    /// Ends the job for which its worker was killed.
    pub(crate) fn killed(&self, kill: Kill, job: &JobState) {
        job.fail(kill.error());
        self.observers.metrics.count(kill.outcome());
        self.rules().withdrawn(1);
    }

    /// Takes the jobs back from the shared queue that wait there for too long, are canceled, or were lost
    /// with a worker; returns when to check again.
    fn take_back(&self, now: Instant) -> Option<Instant> {
        let shared = self.shared.as_ref()?;
        let must_take_back = self.must_take_back.swap(false, Ordering::SeqCst);
        let (since, until, has_canceled) = shared.waits()?;
        if !must_take_back && !has_canceled && now < since + GROW_AFTER && now < until {
            return Some(until.min(since + GROW_AFTER));
        }
        let taken = shared.take_back();
        self.observers.sent_again(taken.lost, 0);
        let mut rules = self.rules();
        rules.taken_back(taken.jobs.len() + taken.canceled, now);
        self.requeue(rules, taken.jobs);
        self.note_drained();
        if taken.is_unclear {
            self.must_take_back.store(true, Ordering::SeqCst);
            return Some(now + STEP_INTERVAL);
        }
        shared.waits().map(|_| now + GROW_AFTER)
    }

    /// Checks the memory of all workers at intervals until the last job has ended; returns the next time.
    fn check_memory(&self, connections: &[Arc<Connection>], now: Instant) -> Option<Instant> {
        if !self.config.checks_memory() {
            return None;
        }
        let mut checked = self.memory_checked.lock().unwrap_or_else(PoisonError::into_inner);
        if now < *checked + MEMORY_CHECK_INTERVAL {
            return Some(*checked + MEMORY_CHECK_INTERVAL);
        }
        *checked = now;
        let recycle_memory = self.config.recycle_memory.as_ref().and_then(|bytes| bytes.bytes().ok());
        let memory = self.config.memory_bytes();
        for connection in connections {
            match connection.check_memory(memory, recycle_memory) {
                MemoryCheck::Fine | MemoryCheck::Exceeded(None) => {}
                MemoryCheck::Large => self.replace(connection),
                MemoryCheck::Exceeded(Some(job)) => self.killed(Kill::Memory, &job),
            }
        }
        connections.iter().any(|connection| !connection.state().sent.is_empty()).then_some(now + MEMORY_CHECK_INTERVAL)
    }

    /// Has the workers replaced that have reached their age limit; returns when the next one does.
    fn check_ages(&self, connections: &[Arc<Connection>], now: Instant) -> Option<Instant> {
        self.config.recycle_age.filter(|_| !self.config.is_threaded())?;
        let mut next = None;
        for connection in connections {
            let due = connection.state().recycling.until;
            match due {
                Some(due) if due <= now => self.replace(connection),
                due => next = earlier(next, due),
            }
        }
        next
    }
}
