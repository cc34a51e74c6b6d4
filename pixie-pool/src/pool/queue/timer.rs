//! One timer for a whole pool, and the checks of deadlines, timeouts, memory and ages when it fires.
//!
//! Owns the earliest time at which anything in the pool has to be checked. Sending a job costs one atomic
//! operation here; the timer is woken only for a time that is earlier than the one that it waits for.
//!
//! A deadline begins here: [`Queue::expire`] asks each connection
//! ([`connection::state`](crate::pool::connection::state)), which closes itself if its job is late, and
//! answers the job. The closed connection wakes its task in
//! [`process::worker`](crate::pool::process::worker), which kills the process.

use std::{
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{sync::Notify, time::sleep_until};

use crate::{
    config::MEMORY_CHECK_INTERVAL,
    error::Error,
    pool::{
        connection::{Connection, Kill, MemoryCheck, earlier},
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
    earlier: Notify,
}

impl Timer {
    pub(crate) fn new() -> Self {
        Timer { epoch: Instant::now(), due: AtomicU64::new(NEVER), earlier: Notify::new() }
    }

    /// Makes the timer fire at that time or earlier.
    pub(crate) fn arm(&self, at: Instant) {
        let at = u64::try_from(at.saturating_duration_since(self.epoch).as_nanos()).unwrap_or(NEVER);
        // Most jobs have the same deadline, so theirs is later than the armed one.
        if at < self.due.load(Ordering::SeqCst) && at < self.due.fetch_min(at, Ordering::SeqCst) {
            self.earlier.notify_one();
        }
    }

    /// Waits for the armed time and disarms the timer; times that are armed then count for the next call.
    async fn wait(&self) {
        loop {
            let due = self.due.load(Ordering::SeqCst);
            if due == NEVER {
                self.earlier.notified().await;
                continue;
            }
            let at = self.epoch + Duration::from_nanos(due);
            tokio::select! {
                () = sleep_until(at.into()) => break,
                () = self.earlier.notified() => {}
            }
        }
        self.due.store(NEVER, Ordering::SeqCst);
    }
}

/// Runs the pool's timer until the pool ends.
pub(crate) async fn run(task: TimerTask) {
    let queue = &task.0;
    let mut ending = queue.ending.subscribe();
    loop {
        tokio::select! {
            () = queue.timer.wait() => queue.expire(Instant::now()),
            _ = ending.wait_for(|ending| *ending) => return,
        }
    }
}

/// Ends the pool when its timer stops: a runtime that shuts down drops its tasks, even those that never ran.
pub(crate) struct TimerTask(pub(crate) Arc<Queue>);

impl Drop for TimerTask {
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
        let connections: Vec<_> = self.rules().workers().cloned().collect();
        let (mut next, mut slow) = (None, Vec::new());
        for connection in &connections {
            let expired = connection.expire(now, &self.config);
            next = earlier(next, expired.due);
            slow.extend(expired.slow.map(|running| (connection, running)));
            expired.late.iter().for_each(|job| job.fail(Error::Deadline));
            // The job gets its error before the worker is killed.
            if let Some((kill, sent)) = expired.kill {
                sent.job.fail(kill.error());
                self.observers.metrics.count(kill.outcome());
            }
        }
        next = earlier(next, self.check_memory(&connections, now));
        next = earlier(next, self.check_ages(&connections, now));
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
                MemoryCheck::Exceeded(Some(job)) => {
                    job.fail(Error::Memory);
                    self.observers.metrics.count(Kill::Memory.outcome());
                }
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
