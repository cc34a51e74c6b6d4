//! One worker slot: the worker that runs in it, and the next one after its exit.
//!
//! Owns the task that reads a worker's socket and ends the process when the connection is closed. Leaves
//! leasing and timeouts to `queue`, and the jobs of an exited worker to `exit_report`.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::BytesMut;
use tokio::{
    io::AsyncReadExt as _,
    net::unix::OwnedReadHalf,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    config::{READS_PER_TURN, THREADS_END},
    error::Error,
    pool::{
        connection::{Closed, Connection, Delivery, Kill, READ_BYTES},
        process::{
            Workers,
            exit_report::{LeftJobs, settle},
            start::{self, StartedWorker},
        },
        queue::{Queue, restarts::Reached},
    },
    protocol::parent::Event,
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
            sleep(pause).await;
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
    let watcher = child.watch(&connection);
    let _abandoned = Abandoned(&connection);
    workers.add(&connection);
    let mut reading = Reading { queue: &workers.queue, connection: &connection, reader, input, deliveries: Vec::new() };
    let closed = std::future::poll_fn(|cx| reading.poll(cx)).await;
    drop(reading);
    if !closed.is_polite() {
        child.kill();
    }
    if let Some(watcher) = watcher {
        watcher.abort();
    }
    connection.close(closed);
    connection.hang_up();
    let left = connection.take_sent();
    workers.remove(&connection, closed, !left.is_empty());
    let idle = left.is_empty().then(|| connection.age());
    let reached = Reached::of(closed, connection.throughput().jobs, idle);
    // A `JoinSet` keeps finished tasks until they are joined.
    while exits.try_join_next().is_some() {}
    exits.spawn(settle(Arc::clone(&workers.queue), Arc::clone(&connection), child, closed, LeftJobs::new(left)));
    workers.queue.rules().restarts.exited(reached)
}

/// Fails the jobs of a worker whose task is dropped, because the runtime shuts down.
struct Abandoned<'a>(&'a Connection);

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        self.0.close(Closed::Killed(Kill::Stop));
        self.0.take_sent().iter().for_each(|sent| sent.job.fail(Error::Stopping));
    }
}

struct Reading<'a> {
    queue: &'a Arc<Queue>,
    connection: &'a Arc<Connection>,
    reader: OwnedReadHalf,
    input: BytesMut,
    deliveries: Vec<Delivery>,
}

impl Reading<'_> {
    /// Reads and writes until the connection is closed.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Closed> {
        for _ in 0..READS_PER_TURN {
            let closed = self.connection.poll_write(cx);
            if let Some(killed @ Closed::Killed(_)) = closed {
                return Poll::Ready(killed);
            }
            self.input.reserve(READ_BYTES);
            let read = pin!(self.reader.read_buf(&mut self.input)).poll(cx);
            let count = match closed {
                Some(_) if read.is_pending() => return Poll::Ready(Closed::Exited),
                _ => ready!(read),
            };
            if !matches!(count, Ok(1..)) {
                return Poll::Ready(Closed::Exited);
            }
            if !self.receive() {
                return Poll::Ready(Closed::Killed(Kill::Protocol));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Delivers the decoded events; returns false if the worker broke the protocol.
    fn receive(&mut self) -> bool {
        let (queue, connection) = (self.queue, self.connection);
        let received = connection.receive(&mut self.input, &mut self.deliveries);
        let (mut has_ended_job, mut returned) = (false, Vec::new());
        for (job, event) in self.deliveries.drain(..) {
            has_ended_job |= event.is_last() || matches!(event, Event::Returned { .. });
            match event {
                Event::Returned { .. } => returned.push(job),
                event => job.deliver(event, connection.slot, connection.pid),
            }
        }
        if !returned.is_empty() {
            returned.retain(|job| job.take_returned());
            queue.observers.sent_again(returned.len(), 0);
            queue.put_back(returned);
        }
        match received {
            Ok(streaming_since) => {
                if let Some(since) = streaming_since {
                    queue.timer.arm(since + queue.config.stream_idle_timeout);
                }
                if has_ended_job {
                    queue.free(connection);
                }
                true
            }
            Err(violation) => {
                let (pool, worker, pid) = (&queue.observers.pool, connection.slot, connection.pid);
                tracing::warn!(%pool, worker, pid, %violation, "a worker broke the protocol");
                false
            }
        }
    }
}
