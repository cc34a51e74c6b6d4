//! Everything that counts and reports what happens in a pool: counters, metrics, the slow log.
//!
//! Owns the counts and the refusal causes. Invariant: no other lock is taken while the counts are locked.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tracing::field;

use crate::{
    config::SLOW_THREADS_MAX,
    platform,
    pool::{
        connection::{Connection, Kill, RunningJob},
        metrics::Metrics,
    },
    snapshot::Counts,
    worker::HANDLER_THREAD,
};

/// Why a job was refused without being started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    QueueFull,
    QueueTimeout,
    Unavailable,
    RepeatCrash,
}

impl Refusal {
    fn name(self) -> &'static str {
        match self {
            Refusal::QueueFull => "queue_full",
            Refusal::QueueTimeout => "queue_timeout",
            Refusal::Unavailable => "unavailable",
            Refusal::RepeatCrash => "repeat_crash",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Observers {
    /// The name of the pool.
    pub(crate) pool: Arc<str>,
    pub(crate) metrics: Arc<Metrics>,
    counts: Mutex<Counts>,
}

impl Observers {
    pub(crate) fn new(pool: &str) -> Self {
        Observers { pool: pool.into(), metrics: Arc::new(Metrics::new(pool)), counts: Mutex::default() }
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn refused(&self, refusal: Refusal, jobs: usize) {
        self.count(|c| *c.refused.entry(refusal.name()).or_default() += jobs as u64);
        self.metrics.refused(refusal.name(), jobs);
    }

    /// Counts jobs that go back into the queue: `moves` were not started, `retries` run once more.
    pub(crate) fn sent_again(&self, moves: usize, retries: usize) {
        self.count(|c| {
            c.moves += moves as u64;
            c.retries += retries as u64;
        });
        self.metrics.sent_again(moves as u64, retries as u64);
    }

    /// Counts a worker that the pool has ended.
    pub(crate) fn killed(&self, kill: Kill, is_recycled: bool) {
        self.count(|c| match kill {
            Kill::Retire if is_recycled => c.recycled += 1,
            Kill::Retire => c.retired += 1,
            Kill::Stop => {}
            kill => *c.kills.entry(kill.name()).or_default() += 1,
        });
    }

    /// Logs a slow job once, while it runs, with what its worker is doing.
    pub(crate) fn report_slow(&self, connection: &Connection, slow: &RunningJob, now: Instant) {
        self.count(|c| c.slow += 1);
        self.metrics.slow();
        let RunningJob { name, since } = slow;
        // The threads of this process cannot be told apart.
        let pid = Some(connection.pid).filter(|pid| *pid != std::process::id());
        let thread_state =
            pid.map(|pid| platform::thread_state(pid, HANDLER_THREAD, SLOW_THREADS_MAX)).unwrap_or_default();
        tracing::warn!(
            pool = %self.pool,
            worker = connection.slot,
            pid = connection.pid,
            route = Some(&*name.label).filter(|route| !route.is_empty()),
            job = name.number,
            request = name.request_id.as_deref(),
            trace_id = name.trace_id.as_deref(),
            ran = %Seconds(now.saturating_duration_since(*since)),
            state = thread_state.state.map(field::display),
            waits_in = thread_state.waits_in.as_deref(),
            cpu = thread_state.cpu.map(|cpu| field::display(Seconds(cpu))),
            memory = pid.and_then(|pid| platform::resident_bytes(pid).ok()),
            "a job is slow"
        );
    }
}

/// A time in logs: seconds with three digits.
pub(crate) struct Seconds(pub(crate) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0.as_secs_f64())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
mod tests {
    use super::*;

    #[test]
    fn the_guide_lists_each_cause_of_a_refusal() {
        let guide =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../src/guide/how-to/seeing.md")).unwrap();
        let line = guide.lines().find(|line| line.contains("pixie_pool_refused_total")).unwrap();
        let told: Vec<&str> = line.rsplit_once("`cause`").unwrap().1.split('`').skip(1).step_by(2).collect();
        let sent = [Refusal::QueueFull, Refusal::QueueTimeout, Refusal::Unavailable, Refusal::RepeatCrash];
        // The match makes the compiler ask for a new cause here.
        let sent = sent.map(|refusal| match refusal {
            Refusal::QueueFull | Refusal::QueueTimeout | Refusal::Unavailable | Refusal::RepeatCrash => refusal.name(),
        });
        assert_eq!(told, sent);
    }
}
