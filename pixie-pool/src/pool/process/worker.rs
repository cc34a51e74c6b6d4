//! One worker slot: the worker that runs in it, and the next one after its exit.
//!
//! Owns the task that reads a worker's socket and ends the process when the connection is closed. Leaves
//! leasing and timeouts to `queue`, and the jobs of an exited worker to `exit_report`.

use std::{
    future::{Future as _, poll_fn},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use tokio::{
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};

use crate::{
    config::THREADS_END,
    error::Error,
    pool::{
        connection::{Closed, Connection, Kill},
        process::{
            Workers,
            child::Child,
            exit_report::{LeftJobs, settle},
            reading::Reading,
            start::{self, StartedWorker},
            threads,
        },
        queue::restarts::Reached,
    },
};

pub(crate) struct WorkerSlot {
    pub(crate) workers: Arc<Workers>,
    pub(crate) number: usize,
}

impl Drop for WorkerSlot {
    /// Lets the pool's start fail, even after a panic.
    fn drop(&mut self) {
        let slot = self.number;
        self.workers.note_failure(format!("worker {slot}: the task that starts it has ended"));
    }
}

/// Starts a worker whenever one is wanted in this slot, until the pool ends.
pub(crate) async fn run(slot: WorkerSlot) {
    let workers = &slot.workers;
    let mut exits = JoinSet::new();
    while workers.queue.wait_for_start(slot.number).await {
        fill(workers, slot.number, &mut exits).await;
    }
    let settled = async { while exits.join_next().await.is_some() {} };
    match workers.queue.config.is_threaded() {
        // A thread that still runs ends with its job.
        true => drop(timeout(THREADS_END, settled).await),
        false => settled.await,
    }
}

/// Starts one worker after the other as long as one is wanted in this slot.
async fn fill(workers: &Arc<Workers>, slot: usize, exits: &mut JoinSet<()>) {
    let mut ending = workers.queue.ending.subscribe();
    while !*ending.borrow_and_update() {
        let pause = match start::start(workers, slot).await {
            Ok(started) => run_worker(workers, started, exits).await,
            Err(_) if *ending.borrow() => return,
            Err(why) => workers.start_failed(slot, &why),
        };
        let pause = async {
            // The runtime's timer takes a millisecond also for no time.
            if !pause.is_zero() {
                sleep(pause).await;
            }
            // A thread cannot be killed, so it keeps its slot until its job ends: threads do not pile up.
            while workers.queue.config.is_threaded() && exits.join_next().await.is_some() {}
        };
        tokio::select! {
            () = pause => {}
            _ = ending.changed() => return,
        }
        // Asked after the pause, so that jobs that were queued meanwhile are a reason for the next start.
        if !workers.is_refilled(slot) {
            return;
        }
        workers.queue.observers.count(|c| c.restarts += 1);
    }
}

/// Runs one worker to its end; returns how long to wait before the next start.
///
/// A deadline ends here: when the connection is closed, the process is killed at once.
async fn run_worker(workers: &Arc<Workers>, started: StartedWorker, exits: &mut JoinSet<()>) -> Duration {
    let StartedWorker { mut child, connection, reader, input } = started;
    let watcher = threads::watch(&workers.queue, &connection);
    let _abandoned = Abandoned(&connection);
    workers.add(&connection);
    let mut reading = Reading::new(Arc::clone(&workers.queue), Arc::clone(&connection), reader, input);
    let closed = until_closed(&child, &mut reading).await;
    let closed = connection.close(closed);
    let closed = connection.state().why_closed(closed);
    workers.note_end(closed);
    if closed != Closed::Exited {
        if !closed.is_polite() {
            child.kill(connection.state().peak_at_kill);
        }
        connection.hang_up();
    }
    watcher.iter().for_each(JoinHandle::abort);
    let left = connection.take_sent();
    workers.remove(&connection, closed, left.len());
    // What it has claimed from the shared queue is not in `left` yet.
    let is_idle = left.is_empty() && !connection.is_busy();
    let idle = is_idle.then(|| connection.age());
    let reached = Reached::of(closed, connection.jobs(), idle);
    // A `JoinSet` keeps finished tasks until they are joined.
    while exits.try_join_next().is_some() {}
    exits.spawn(settle(reading, child, closed, LeftJobs::new(left)));
    workers.queue.rules().restarts.exited(reached)
}

/// Reads until the connection is closed, which the exit of the process does, too: a program that it started
/// may hold the socket open.
async fn until_closed(child: &Child, reading: &mut Reading) -> Closed {
    let (mut exited, mut has_exited) = (pin!(child.exited()), false);
    poll_fn(|cx| {
        if !has_exited && exited.as_mut().poll(cx).is_ready() {
            has_exited = true;
            reading.connection.close(Closed::Exited);
        }
        reading.poll(cx)
    })
    .await
}

/// Fails the jobs of a worker whose task is dropped, because the runtime shuts down.
struct Abandoned<'a>(&'a Connection);

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        self.0.close(Closed::Killed(Kill::Stop));
        self.0.take_sent().iter().for_each(|sent| sent.job.fail(Error::Stopping));
    }
}
