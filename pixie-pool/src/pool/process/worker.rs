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
    error::Error,
    platform::ReadHalf,
    pool::{
        connection::job_state::Exchange,
        connection::kill::{Closed, Kill},
        connection::sent_job::{Flight, Running},
        connection::socket::{Delivery, Link, READ_BYTES},
        metrics::Outcome,
        process::child::{self, Booted, Host},
        process::exit_report::Obituary,
        process::memory,
        queue::restarts::Reached,
        shared::Shared,
    },
    protocol::parent::Event,
};

/// A place that is kept.
pub(crate) struct Place {
    pub(crate) shared: Arc<Shared>,
    pub(crate) number: usize,
}

impl Drop for Place {
    /// Tells whoever waits for the first worker, also after a panic.
    fn drop(&mut self) {
        self.shared.left(self.number);
    }
}

/// Fills one place whenever a worker is wanted, until the pool ends.
pub(crate) async fn keep(place: Place) {
    let shared = &place.shared;
    let mut graves = JoinSet::new();
    while shared.is_wanted(place.number).await {
        fill(shared, place.number, &mut graves).await;
    }
    let buried = async { while graves.join_next().await.is_some() {} };
    match shared.is_threaded() {
        // Running out of time is no error: what is left ends with its job.
        true => drop(timeout(THREADS_END, buried).await),
        false => buried.await,
    }
}

/// Starts one worker after the other for as long as one is wanted here.
async fn fill(shared: &Arc<Shared>, place: usize, graves: &mut JoinSet<()>) {
    let mut ending = shared.ending.subscribe();
    while !*ending.borrow_and_update() {
        let pause = match child::boot(shared, place).await {
            Ok(booted) => live(shared, booted, graves).await,
            Err(_) if *ending.borrow() => return,
            Err(why) => shared.boot_failed(place, &why),
        };
        let rest = async {
            sleep(pause).await;
            // What a thread runs cannot be ended, so it keeps its place until it is done: threads do not pile up.
            while shared.is_threaded() && graves.join_next().await.is_some() {}
        };
        tokio::select! {
            () = rest => {}
            _ = ending.changed() => return,
        }
        // Asked after the pause, for which the place stays taken: who waits then, if anybody does, is who the next start is for.
        if !shared.is_refilled(place) {
            return;
        }
        shared.count(|c| c.restarts += 1);
    }
}

/// Runs one worker to its end; returns how long to wait before the next.
async fn live(shared: &Arc<Shared>, booted: Booted, graves: &mut JoinSet<()>) -> Duration {
    let Booted { mut host, link, reader, input } = booted;
    let watcher = host.watch(&link);
    let _unread = Unread(&link);
    shared.add(&link);
    let mut reading = Reading { shared, link: &link, reader, input, deliveries: Vec::new() };
    let closed = std::future::poll_fn(|cx| reading.poll(cx)).await;
    drop(reading);
    if !closed.is_polite() {
        host.kill();
    }
    if let Some(watcher) = watcher {
        watcher.abort();
    }
    link.close(closed);
    link.hang_up();
    let left = link.take_flights();
    shared.remove(&link, closed, &left);
    let idle = left.is_empty().then(|| link.age());
    let reached = Reached::of(closed, link.jobs(), idle);
    // Those that are over keep their memory until they are asked for.
    while graves.try_join_next().is_some() {}
    graves.spawn(bury(Arc::clone(shared), Arc::clone(&link), host, closed, Bereaved::of(left)));
    shared.restarts().died(reached)
}

/// Answers the jobs of a worker that nobody reads any more, because the runtime has ended.
struct Unread<'a>(&'a Link);

impl Drop for Unread<'_> {
    fn drop(&mut self) {
        self.0.close(Closed::Killed(Kill::Stop));
        self.0.take_flights().iter().for_each(|flight| flight.exchange.fail(Error::Stopping));
    }
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

    /// Lets others do what this worker has not started.
    fn give_on(&self, mut given: Vec<Arc<Exchange>>) {
        given.retain(|exchange| exchange.move_on(None));
        self.shared.count(|c| c.moves += given.len() as u64);
        self.shared.metrics.sent_again(given.len() as u64, 0);
        self.shared.put_back(given);
    }

    /// Takes in what has been read; false if the worker broke the protocol.
    fn receive(&mut self) -> bool {
        let received = self.link.receive(&mut self.input, &mut self.deliveries);
        let is_over = self.deliveries.iter().any(|(_, e)| e.is_last() || matches!(e, Event::GivenBack { .. }));
        let mut given = Vec::new();
        for (exchange, event) in self.deliveries.drain(..) {
            match event {
                Event::GivenBack { .. } => given.push(exchange),
                event => exchange.deliver(event, self.link.number, self.link.pid),
            }
        }
        if !given.is_empty() {
            self.give_on(given);
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

/// Waits for the end of a worker and answers the jobs it leaves, or gives them to others.
async fn bury(shared: Arc<Shared>, link: Arc<Link>, mut host: Host, closed: Closed, mut bereaved: Bereaved) {
    let mut left = std::mem::take(&mut bereaved.left);
    let has_left = !left.is_empty();
    if closed == Closed::Killed(Kill::Stop) {
        left.drain(..).for_each(|flight| flight.exchange.fail(Error::Stopping));
    }
    let last_started = host.end(closed).await;
    match closed {
        Closed::Exited => shared.blame(left.iter().find(|flight| Some(flight.stream) == last_started)),
        Closed::Killed(kill @ Kill::Protocol) => {
            if let Some(flight) = left.pop_front_if(|first| first.may_have_run(last_started)) {
                flight.exchange.fail(kill.error());
                shared.metrics.count(kill.outcome());
            }
        }
        // The job that it was killed for has its answer already.
        Closed::Killed(_) => {}
    }
    let (peak, last) = (host.peak(), last_run(&link, closed, &left, last_started));
    let closed = match closed {
        Closed::Exited if host.is_over_memory() => {
            over_memory(&shared, &mut left, last_started);
            Closed::Killed(Kill::Memory)
        }
        closed => closed,
    };
    let lost = sort(&shared, left, last_started);
    if has_left {
        shared.has_passed();
    }
    let cgroup = host.take_cgroup();
    let exit = host.bury().await.unwrap_or_default();
    Obituary { link: &link, closed, exit: &exit, last, peak }.publish(&shared);
    for exchange in lost {
        shared.metrics.count(match closed {
            Closed::Killed(kill) => kill.outcome(),
            Closed::Exited => Outcome::Lost("died"),
        });
        exchange.fail(match closed {
            Closed::Killed(kill) => kill.error(),
            Closed::Exited => Error::Died(exit.clone()),
        });
    }
    bereaved.all.clear();
    memory::remove(cgroup).await;
}

/// The jobs that a dead worker leaves; all are answered, also if the runtime ends before they are sorted.
struct Bereaved {
    left: VecDeque<Flight>,
    all: Vec<Arc<Exchange>>,
}

impl Bereaved {
    fn of(left: VecDeque<Flight>) -> Self {
        let all = left.iter().map(|flight| Arc::clone(&flight.exchange)).collect();
        Bereaved { left, all }
    }
}

impl Drop for Bereaved {
    fn drop(&mut self) {
        self.all.iter().for_each(|exchange| exchange.fail(Error::Stopping));
    }
}

/// Counts a worker that its cgroup has ended as one that the pool has, and answers the job that it ran: another worker has no more
/// memory for it.
fn over_memory(shared: &Shared, left: &mut VecDeque<Flight>, last_started: Option<u32>) {
    shared.count(|c| c.kills_memory += 1);
    let at = left.iter().position(|flight| Some(flight.stream) == last_started);
    if let Some(flight) = at.and_then(|at| left.remove(at)) {
        flight.exchange.fail(Kill::Memory.error());
        shared.metrics.count(Kill::Memory.outcome());
    }
}

/// Returns what a worker ran when it ended, and for how long: of one that died by itself, the job that it had started last.
fn last_run(
    link: &Link,
    closed: Closed,
    left: &VecDeque<Flight>,
    last_started: Option<u32>,
) -> Option<(Running, Duration)> {
    let (at, front) = link.ended()?;
    let running = match (closed, last_started) {
        (Closed::Exited, Some(stream)) => {
            let flight = left.iter().find(|flight| flight.stream == stream)?;
            Running { name: flight.exchange.name.clone(), since: link.since() }
        }
        _ => front?,
    };
    let ran = at.saturating_duration_since(running.since);
    Some((running, ran))
}

/// Puts the jobs that a dead worker leaves back into the queue, and returns those that cannot be.
///
/// A job that was not started moves on as if nothing had happened. One that was started may have been done, with its answer
/// still in the worker: it is done again only if it may be, once, and from then on without others beside it.
fn sort(shared: &Arc<Shared>, left: VecDeque<Flight>, last_started: Option<u32>) -> Vec<Arc<Exchange>> {
    let now = Instant::now();
    let (mut back, mut lost, mut moves, mut retries) = (Vec::new(), Vec::new(), 0, 0);
    for mut flight in left {
        let is_unsent = flight.unsent.is_some();
        let is_unstarted = last_started.is_some_and(|last| !flight.is_before(last));
        let may_move = (is_unsent || is_unstarted) && !flight.exchange.is_restless();
        if may_move && flight.exchange.move_on(flight.unsent.take()) {
            moves += 1;
            back.push(flight.exchange);
        } else if !shared.is_poison(&flight.exchange, now) && flight.exchange.take_back(now) {
            retries += 1;
            back.push(flight.exchange);
        } else {
            lost.push(flight.exchange);
        }
    }
    shared.count(|c| {
        c.moves += moves;
        c.retries += retries;
    });
    shared.metrics.sent_again(moves, retries);
    if !back.is_empty() {
        shared.put_back(back);
    }
    lost
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;
    use crate::pool::{connection::sent_job::Clock, connection::socket::tests::exchange};

    #[test]
    fn a_burial_that_is_broken_off_answers_what_was_left() {
        let left = exchange("left", None, true);
        let clock = Clock::Head(None);
        let flight = Flight { exchange: Arc::clone(&left), unsent: None, stream: 1, clock, is_reported: false };
        drop(Bereaved::of(VecDeque::from([flight])));
        let answer = left.poll_answer(&Context::from_waker(Waker::noop()));
        assert!(matches!(answer, Poll::Ready(Err(Error::Stopping))));
    }
}
