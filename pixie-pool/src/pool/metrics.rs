//! Metrics for the recorder that the program has installed with the crate `metrics`. Feature `metrics`.
//!
//! Owns all names and labels. What happens for each job uses a handle that was looked up once; rare metrics
//! are looked up when they happen. Invariant: labels are pools, causes and outcomes of this crate, never text
//! from a client or a worker.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use metrics::{
    Counter, Histogram, SharedString, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

use crate::snapshot::Snapshot;

/// How long a job waits in the queue.
#[derive(Debug)]
pub(crate) struct QueueWait {
    since: Instant,
    is_recorded: AtomicBool,
}

impl QueueWait {
    pub(crate) fn begin() -> Self {
        QueueWait { since: Instant::now(), is_recorded: AtomicBool::new(false) }
    }
}

#[derive(Debug)]
pub(crate) struct Metrics {
    pool: SharedString,
    answered: Counter,
    queue_wait: Histogram,
    run: Histogram,
    start: Histogram,
}

impl Metrics {
    pub(crate) fn new(pool: &str) -> Self {
        describe();
        let pool = SharedString::from(pool.to_owned());
        Metrics {
            answered: counter!("pixie_pool_jobs_total", "pool" => pool.clone(), "outcome" => "answered"),
            queue_wait: histogram!("pixie_pool_queue_wait_seconds", "pool" => pool.clone()),
            run: histogram!("pixie_pool_run_seconds", "pool" => pool.clone()),
            start: histogram!("pixie_pool_start_seconds", "pool" => pool.clone()),
            pool,
        }
    }

    fn labelled(&self, name: &'static str, label: &'static str, value: impl Into<SharedString>) -> Counter {
        counter!(name, "pool" => self.pool.clone(), label => value.into())
    }

    fn plain(&self, name: &'static str) -> Counter {
        counter!(name, "pool" => self.pool.clone())
    }

    /// Records how long a job has waited, the first time that it is sent.
    pub(crate) fn sent(&self, wait: &QueueWait, now: Instant) {
        if !wait.is_recorded.swap(true, Ordering::Relaxed) {
            self.queue_wait.record(now.saturating_duration_since(wait.since));
        }
    }

    pub(crate) fn ended(&self, outcome: &'static str, took: Duration) {
        self.run.record(took);
        self.count(outcome);
    }

    /// Counts a job that a worker had started and that has ended.
    pub(crate) fn count(&self, outcome: &'static str) {
        if outcome == "answered" {
            return self.answered.increment(1);
        }
        self.labelled("pixie_pool_jobs_total", "outcome", outcome).increment(1);
    }

    pub(crate) fn started(&self, took: Duration) {
        self.start.record(took);
        self.plain("pixie_pool_starts_total").increment(1);
    }

    pub(crate) fn start_failed(&self) {
        self.plain("pixie_pool_start_failures_total").increment(1);
    }

    pub(crate) fn exited(&self, cause: &str) {
        self.labelled("pixie_pool_exits_total", "cause", cause.to_owned()).increment(1);
    }

    pub(crate) fn killed(&self, cause: &'static str) {
        self.labelled("pixie_pool_kills_total", "cause", cause).increment(1);
    }

    /// Counts jobs that were refused without being started.
    pub(crate) fn refused(&self, cause: &'static str, jobs: usize) {
        if jobs > 0 {
            self.labelled("pixie_pool_refused_total", "cause", cause).increment(jobs as u64);
        }
    }

    pub(crate) fn sent_again(&self, moves: u64, retries: u64) {
        for (name, count) in [("pixie_pool_moves_total", moves), ("pixie_pool_retries_total", retries)] {
            if count > 0 {
                self.plain(name).increment(count);
            }
        }
    }

    pub(crate) fn slow(&self) {
        self.plain("pixie_pool_slow_total").increment(1);
    }

    pub(crate) fn show(&self, snapshot: &Snapshot) {
        let memory: u64 = snapshot.workers.iter().filter_map(|worker| worker.memory).sum();
        let oldest = snapshot.oldest_wait.unwrap_or_default().as_secs_f64();
        for (name, value) in [
            ("pixie_pool_size", snapshot.size as f64),
            ("pixie_pool_idle", snapshot.idle as f64),
            ("pixie_pool_busy", snapshot.busy as f64),
            ("pixie_pool_held", snapshot.workers.iter().filter(|worker| worker.held_for.is_some()).count() as f64),
            ("pixie_pool_spares", snapshot.spares as f64),
            ("pixie_pool_queued", snapshot.queued as f64),
            ("pixie_pool_oldest_wait_seconds", oldest),
            ("pixie_pool_memory_bytes", memory as f64),
        ] {
            gauge!(name, "pool" => self.pool.clone()).set(value);
        }
    }
}

fn describe() {
    for (name, text) in [
        ("pixie_pool_jobs_total", "Jobs that were started and have ended, by outcome."),
        ("pixie_pool_refused_total", "Jobs that were refused without having been started, by cause."),
        ("pixie_pool_exits_total", "Workers that exited by themselves, by cause."),
        ("pixie_pool_kills_total", "Workers that the pool killed, by cause."),
        ("pixie_pool_starts_total", "Workers that became ready."),
        ("pixie_pool_start_failures_total", "Workers that failed to start or were not ready in time."),
        ("pixie_pool_retries_total", "Jobs sent once more after a crash."),
        ("pixie_pool_moves_total", "Jobs that left a worker before it had started them."),
        ("pixie_pool_slow_total", "Jobs that were reported as slow."),
    ] {
        describe_counter!(name, Unit::Count, text);
    }
    for (name, text) in [
        ("pixie_pool_size", "Jobs that may run at the same time."),
        ("pixie_pool_idle", "Workers without a job."),
        ("pixie_pool_busy", "Workers that run a job."),
        ("pixie_pool_held", "Workers that wait for a slow reader of their reply."),
        ("pixie_pool_spares", "Ready workers beyond the size."),
        ("pixie_pool_queued", "Jobs that wait for a worker."),
    ] {
        describe_gauge!(name, Unit::Count, text);
    }
    describe_gauge!("pixie_pool_oldest_wait_seconds", Unit::Seconds, "How long the first waiting job has waited.");
    describe_gauge!("pixie_pool_memory_bytes", Unit::Bytes, "Memory that the pool's workers hold together.");
    for (name, text) in [
        ("pixie_pool_queue_wait_seconds", "From submission to the first worker."),
        ("pixie_pool_run_seconds", "From the start of a job to its end, of those that their worker ended."),
        ("pixie_pool_start_seconds", "From spawning a worker until it is ready."),
    ] {
        describe_histogram!(name, Unit::Seconds, text);
    }
}
