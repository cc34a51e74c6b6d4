//! One place in a pool: the worker that fills it, and the next one when that has ended.
//!
//! Owns a worker's life from start to burial and the task that reads its socket. Leaves leasing to `schedule`, clocks to `clock`.
//! Rule: a job that a worker leaves behind is answered or put back, always.

use std::{
    collections::VecDeque,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::BytesMut;
use tokio::{
    io::AsyncReadExt as _,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    config::{READS_PER_TURN, THREADS_END},
    error::{Error, Exit},
    platform::ReadHalf,
    pool::{
        host::{self, Booted, Host},
        link::{Closed, Delivery, Flight, Kill, Link, READ_BYTES},
        restarts::Reached,
        shared::Shared,
    },
};

/// Keeps one place filled until the pool ends.
pub(crate) async fn keep(shared: Arc<Shared>, number: usize) {
    let mut ending = shared.ending.subscribe();
    let mut graves = JoinSet::new();
    while !*ending.borrow_and_update() {
        let pause = match host::boot(&shared, number).await {
            Ok(booted) => live(&shared, booted, &mut graves).await,
            Err(_) if *ending.borrow() => break,
            Err(why) => shared.boot_failed(number, &why),
        };
        let rest = async {
            sleep(pause).await;
            // What a thread runs cannot be ended, so it keeps its place until it is done: threads do not pile up.
            while shared.is_threaded() && graves.join_next().await.is_some() {}
        };
        tokio::select! {
            () = rest => {}
            _ = ending.changed() => break,
        }
        shared.count(|c| c.restarts += 1);
        while graves.try_join_next().is_some() {}
    }
    let buried = async { while graves.join_next().await.is_some() {} };
    match shared.is_threaded() {
        // Running out of time is no error: what is left ends with its job.
        true => drop(timeout(THREADS_END, buried).await),
        false => buried.await,
    }
}

/// Runs one worker to its end; returns how long to wait before the next.
async fn live(shared: &Arc<Shared>, booted: Booted, graves: &mut JoinSet<()>) -> Duration {
    let Booted { host, link, reader, input } = booted;
    let watcher = host.watch(&link);
    shared.add(&link);
    let mut reading = Reading { shared, link: &link, reader, input, deliveries: Vec::new() };
    let closed = std::future::poll_fn(|cx| reading.poll(cx)).await;
    drop(reading);
    host.kill();
    if let Some(watcher) = watcher {
        watcher.abort();
    }
    link.close(closed);
    link.hang_up();
    let left = link.take_flights();
    shared.remove(&link, closed);
    let reached = match closed {
        Closed::Killed(_) => Reached::Service,
        Closed::Exited if link.jobs() > 0 || left.is_empty() => Reached::Service,
        Closed::Exited => Reached::Ready,
    };
    graves.spawn(bury(Arc::clone(shared), link, host, closed, left));
    shared.restarts().died(reached)
}

/// The task that reads one worker.
struct Reading<'a> {
    shared: &'a Arc<Shared>,
    link: &'a Arc<Link>,
    reader: ReadHalf,
    input: BytesMut,
    deliveries: Vec<Delivery>,
}

impl Reading<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Closed> {
        for _ in 0..READS_PER_TURN {
            let closed = self.link.turn(cx);
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

    /// Takes in what has been read; false if the worker broke the protocol.
    fn receive(&mut self) -> bool {
        let received = self.link.receive(&mut self.input, &mut self.deliveries);
        let is_over = self.deliveries.iter().any(|(_, event)| event.is_last());
        for (exchange, event) in self.deliveries.drain(..) {
            exchange.deliver(event, self.link.number, self.link.pid);
        }
        match received {
            Ok(streaming_since) => {
                if let Some(since) = streaming_since {
                    self.shared.clock.arm(since + self.shared.config.stream_idle_timeout);
                }
                if is_over {
                    self.shared.free(self.link);
                }
                true
            }
            Err(violation) => {
                tracing::warn!(pool = %self.shared.name, worker = self.link.number, pid = self.link.pid, %violation, "a worker broke the protocol");
                false
            }
        }
    }
}

/// Waits for the end of a worker and answers the jobs it leaves.
async fn bury(shared: Arc<Shared>, link: Arc<Link>, host: Host, closed: Closed, left: VecDeque<Flight>) {
    if let Closed::Killed(kill) = closed {
        left.iter().for_each(|flight| flight.exchange.fail(error_of(kill)));
        host.bury().await;
        tracing::warn!(pool = %shared.name, worker = link.number, pid = link.pid, ?kill, "a worker was killed");
        return;
    }
    let now = Instant::now();
    let mut lost = Vec::new();
    for mut flight in left {
        if let Some(start) = flight.unsent.take() {
            flight.exchange.undispatch(start);
            shared.put_back(flight.exchange);
        } else if flight.exchange.take_back(now) {
            shared.count(|c| c.retries += 1);
            shared.put_back(flight.exchange);
        } else {
            lost.push(flight.exchange);
        }
    }
    let exit = host.bury().await.unwrap_or_default();
    let label = lost.first().map(|e| &*e.label).unwrap_or_default();
    tracing::error!(pool = %shared.name, worker = link.number, pid = link.pid, job = label, %exit, "a worker died: {}", last_line(&exit));
    shared.count(|c| *c.deaths.entry(exit.to_string()).or_default() += 1);
    lost.iter().for_each(|exchange| exchange.fail(Error::Died(exit.clone())));
}

fn last_line(exit: &Exit) -> &str {
    exit.stderr.trim_end().lines().next_back().unwrap_or_default()
}

/// What the jobs of a killed worker are told.
pub(crate) fn error_of(kill: Kill) -> Error {
    match kill {
        Kill::Deadline | Kill::Idle | Kill::Cancel => Error::Deadline,
        Kill::Protocol => Error::Protocol,
        Kill::Stop => Error::Stopping,
    }
}
