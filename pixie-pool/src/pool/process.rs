//! The workers of a pool: started, ready, exited.
//!
//! Owns the resources that starts need and the result of the first start. Leaves which worker is started when
//! to `queue`. Invariant: each event that makes another worker necessary orders a start or arms the timer.

mod child;
#[cfg(feature = "events")]
mod event;
#[cfg(not(feature = "events"))]
#[path = "process/no_event.rs"]
mod event;
mod execution;
pub(crate) mod exit_report;
mod fork_server;
pub(crate) mod handshake;
pub(crate) mod memory;
mod output;
mod reading;
mod start;
mod threads;
pub(crate) mod worker;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use crate::{
    error::Error,
    job::Handler,
    platform,
    pool::{
        connection::{Closed, Connection, Kill},
        observers::Refusal,
        process::{
            execution::StartFailure, exit_report::last_lines, fork_server::ForkServer, handshake::SocketDirectory,
            memory::WorkerMemory,
        },
        queue::Queue,
    },
};

pub(crate) struct Workers {
    handler: Handler,
    pub(crate) queue: Arc<Queue>,
    first_start: watch::Sender<FirstStart>,
    sockets: Mutex<Option<SocketDirectory>>,
    memory: WorkerMemory,
    /// Forks the workers, unless they are executed.
    fork_server: Option<Arc<ForkServer>>,
}

/// How far the pool's first starts have come.
#[derive(Debug, Default)]
struct FirstStart {
    is_ready: bool,
    failures: usize,
    failure: String,
}

impl Workers {
    pub(crate) fn new(queue: Arc<Queue>, handler: Handler, sockets: SocketDirectory, memory: WorkerMemory) -> Self {
        platform::reap_as_init();
        let fork_server = ForkServer::wanted(&queue);
        let (first_start, sockets) = (watch::Sender::default(), Mutex::new(Some(sockets)));
        Workers { handler, queue, first_start, sockets, memory, fork_server }
    }

    /// Returns where the next worker of a slot connects to.
    fn socket(&self, slot: usize) -> Result<PathBuf, String> {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let sockets = sockets.as_mut().ok_or("the pool is shutting down")?;
        sockets.socket(self.queue.config.runtime_dir.as_deref(), slot)
    }

    /// Waits until the first worker is ready or all first starts have failed.
    pub(crate) async fn first_ready(&self) -> Result<(), String> {
        if self.queue.config.jobs_at_once().min == 0 {
            return Ok(());
        }
        let first = self.queue.rules().scale.at_first();
        let is_decided = |first_start: &FirstStart| first_start.is_ready || first_start.failures >= first;
        let (mut first_start, mut ending) = (self.first_start.subscribe(), self.queue.ending.subscribe());
        let decided = tokio::select! {
            decided = first_start.wait_for(is_decided) => decided,
            _ = ending.wait_for(|ending| *ending) => return Err("the runtime is shutting down".to_owned()),
        };
        match decided.as_deref() {
            Ok(FirstStart { is_ready: true, .. }) => Ok(()),
            Ok(FirstStart { failure, .. }) => Err(failure.clone()),
            Err(_) => Err("the runtime is shutting down".to_owned()),
        }
    }

    fn add(&self, connection: &Arc<Connection>) {
        let (queue, now) = (&self.queue, Instant::now());
        if let Some(shared) = &queue.shared {
            shared.add_reader(connection);
        }
        let mut rules = queue.rules();
        let gone = rules.add(connection, connection.slot, now);
        let (may_shrink, has_ended) = (rules.scale.may_shrink(), rules.has_ended);
        drop(rules);
        queue.dismiss(&gone);
        // If several workers are to be replaced, the next one can be started now.
        queue.order_starts();
        if may_shrink {
            queue.timer.arm(now + self.queue.config.idle_timeout);
        }
        if self.queue.config.recycle_age.is_some() {
            queue.timer.arm(now);
        }
        if has_ended {
            connection.close(Closed::Killed(Kill::Stop));
        }
        let is_first = self.first_start.send_if_modified(|first| !std::mem::replace(&mut first.is_ready, true));
        let pool = &self.queue.observers.pool;
        if is_first {
            self.queue.config.sandbox.report(pool, (!self.queue.config.is_threaded()).then_some(&connection.sandbox));
            if let Err(why) = self.memory.check_readable(connection.pid) {
                tracing::warn!(%pool, "{why}");
            }
        }
        tracing::debug!(%pool, worker = connection.slot, pid = connection.pid, "a worker is ready");
        queue.pair();
    }

    /// Removes an exited worker, which leaves so many jobs. If there are any, [`Queue::note_passed`] has to
    /// follow.
    fn remove(&self, connection: &Arc<Connection>, closed: Closed, jobs: usize) {
        let (is_open, is_recycled) = {
            let state = connection.state();
            (state.is_open, state.is_recycled(Instant::now()))
        };
        let mut rules = self.queue.rules();
        rules.withdrawn(jobs);
        rules.remove(connection, is_open, jobs > 0);
        drop(rules);
        self.queue.note_drained();
        self.queue.observers.count(|c| c.jobs += connection.jobs());
        if let Closed::Killed(kill) = closed {
            self.queue.observers.killed(kill, is_recycled);
        }
        self.queue.order_starts();
        self.queue.pair();
    }

    /// Notes a failed start; returns how long to wait before the next.
    fn start_failed(&self, slot: usize, failure: &StartFailure) -> Duration {
        let (why, stderr) = (&failure.why, last_lines(&failure.stderr));
        let stderr = (!stderr.is_empty()).then_some(&*stderr);
        tracing::error!(pool = %self.queue.observers.pool, worker = slot, cause = %why, stderr, "starting a worker failed");
        self.queue.observers.count(|c| c.start_failures += 1);
        self.queue.observers.metrics.start_failed();
        let (pause, refused) = self.queue.rules().start_failed();
        self.note_failure(format!("worker {slot}: {failure}"));
        if !refused.is_empty() {
            self.queue.observers.refused(Refusal::Unavailable, refused.len());
            refused.iter().for_each(|job| job.fail(Error::Unavailable { retry_after: pause }));
            self.queue.note_drained();
        }
        pause
    }

    /// Returns whether the next worker is to be started in a slot whose worker has exited or was not started.
    fn is_refilled(&self, slot: usize) -> bool {
        let is_refilled = self.queue.rules().refill(slot);
        // The worker may have been counted in place of others that are missing now.
        self.queue.order_starts();
        is_refilled
    }

    fn note_failure(&self, failure: String) {
        self.first_start.send_modify(|first| {
            first.failures += 1;
            first.failure = failure;
        });
    }

    /// Notes how a worker has ended; its fork server is replaced after many crashes.
    fn note_end(&self, closed: Closed) {
        if let (Some(server), Closed::Exited | Closed::Killed(Kill::Protocol)) = (&self.fork_server, closed) {
            server.note_crash();
        }
    }

    pub(crate) async fn close(&self) {
        if let Some(server) = &self.fork_server {
            server.stop().await;
        }
        self.memory.close().await;
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
mod tests {
    use super::*;
    use crate::{
        config::Config,
        pool::{observers::Observers, process::worker::WorkerSlot},
    };

    #[tokio::test]
    async fn a_start_fails_when_the_tasks_of_all_slots_have_ended() {
        let config = Arc::new(Config::default().size(2).spares(0));
        let queue = Arc::new(Queue::new(Arc::clone(&config), Arc::new(Observers::new("test"))).unwrap());
        let (sockets, memory) = (SocketDirectory::open(None).unwrap(), WorkerMemory::open(config).await);
        let workers = Arc::new(Workers::new(queue, Arc::new(drop), sockets, memory));
        for number in 1..=2 {
            drop(WorkerSlot { workers: Arc::clone(&workers), number });
        }
        assert!(workers.first_ready().await.unwrap_err().contains("has ended"));
    }
}
