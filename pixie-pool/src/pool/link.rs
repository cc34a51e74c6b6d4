//! The parent's end of one worker's connection.
//!
//! Owns the protocol state, the jobs on the way and the bytes that the socket did not take yet. Written to by submitters,
//! read by the worker's own task in `slot`. Rule: once it is closed nothing is written or believed any more.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::{Buf as _, BytesMut};

use crate::{
    config::CHUNK_BYTES_MAX,
    platform::{self, WriteHalf},
    pool::exchange::Exchange,
    protocol::{
        frame::{Start, Violation},
        parent::{Event, Parent},
    },
};

/// Why the pool ended a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kill {
    Deadline,
    Cancel,
    Idle,
    Protocol,
    Stop,
}

/// The connection to one worker.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) number: usize,
    pub(crate) pid: u32,
    writer: WriteHalf,
    line: Mutex<Line>,
}

#[derive(Debug)]
struct Line {
    protocol: Parent,
    /// What is being encoded, and after a full socket what has not been written yet.
    output: BytesMut,
    flights: VecDeque<Flight>,
    /// The task that reads, to be woken when there is something to write or to end.
    task: Option<Waker>,
    closed: Option<Closed>,
    jobs: u64,
    /// Smoothed time that a job takes here.
    service: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// The pool has ended it.
    Killed(Kill),
    /// The process has ended; what it sent before may still be read.
    Exited,
}

/// A job on the way to or in the worker.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) exchange: Arc<Exchange>,
    /// Whether the socket has refused it, so that the worker cannot have seen it.
    pub(crate) unsent: Option<Start>,
    stream: u32,
    started: Instant,
    clock: Clock,
}

/// What a job is measured by.
#[derive(Clone, Copy, Debug)]
enum Clock {
    /// Until the head of the answer.
    Head(Option<Instant>),
    /// After it: the last time that anything moved.
    Progress(Instant),
    /// After nobody waits any more: until when it may end by itself.
    Cancelled(Instant),
}

/// What became of an attempt to start a job here.
pub(crate) enum Begun {
    /// It runs; the clock has to look at it at that time.
    Running(Option<Instant>),
    /// Nobody waits for it any more.
    Abandoned,
    /// This worker is gone.
    Closed,
}

/// What the worker has said, and to whom.
pub(crate) type Delivery = (Arc<Exchange>, Event);

impl Link {
    pub(crate) fn new(number: usize, pid: u32, writer: WriteHalf, protocol: Parent) -> Arc<Self> {
        let line = Line {
            protocol,
            output: BytesMut::new(),
            flights: VecDeque::new(),
            task: None,
            closed: None,
            jobs: 0,
            service: Duration::ZERO,
        };
        Arc::new(Link { number, pid, writer, line: Mutex::new(line) })
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a job from whichever task has leased this worker.
    pub(crate) fn begin(self: &Arc<Self>, exchange: &Arc<Exchange>, now: Instant, cancel_grace: Duration) -> Begun {
        let Some((start, deadline)) = exchange.dispatch(now) else {
            return Begun::Abandoned;
        };
        let mut line = self.line();
        if line.closed.is_some() {
            drop(line);
            exchange.undispatch(start);
            return Begun::Closed;
        }
        let Line { protocol, output, .. } = &mut *line;
        let stream = protocol.begin(&start, output);
        let is_abandoned = exchange.set_running(self, stream);
        let is_refused = self.write(&mut line).is_err();
        line.flights.push_back(Flight {
            exchange: Arc::clone(exchange),
            unsent: is_refused.then_some(start),
            stream,
            started: now,
            clock: Clock::Head(deadline),
        });
        drop(line);
        if is_abandoned {
            return Begun::Running(self.cancel(stream, now + cancel_grace).or(deadline));
        }
        Begun::Running(deadline)
    }

    /// Writes what the socket takes; leaves the rest to the reading task.
    fn write(&self, line: &mut Line) -> Result<(), std::io::Error> {
        if line.output.is_empty() {
            return Ok(());
        }
        match self.writer.try_write(&line.output) {
            // Back to the start of the buffer, so that it is reused.
            Ok(count) if count == line.output.len() => line.output.clear(),
            Ok(count) => line.output.advance(count),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            // The worker is going; the reading task sees it too.
            Err(error) => {
                line.output.clear();
                return Err(error);
            }
        }
        if !line.output.is_empty()
            && let Some(task) = &line.task
        {
            task.wake_by_ref();
        }
        Ok(())
    }

    /// Writes in the order in which it was encoded: nothing overtakes what waits already.
    fn send(&self, encode: impl FnOnce(&mut Parent, &mut BytesMut)) {
        let mut line = self.line();
        if line.closed.is_some() {
            return;
        }
        let Line { protocol, output, .. } = &mut *line;
        encode(protocol, output);
        // A refused write is seen by the reading task.
        let _ = self.write(&mut line);
    }

    /// Returns how much body may be sent at once; `None` once the worker wants no more.
    pub(crate) fn send_room(&self, stream: u32) -> Option<usize> {
        let line = self.line();
        match line.closed {
            Some(_) => None,
            None => line.protocol.send_room(stream),
        }
    }

    pub(crate) fn data(&self, stream: u32, chunk: &[u8]) {
        self.send(|protocol, output| protocol.data(stream, chunk, output));
    }

    pub(crate) fn end(&self, stream: u32) {
        self.send(|protocol, output| protocol.end(stream, output));
    }

    /// Lets the worker send more, and notes that its reader moves.
    pub(crate) fn credit(&self, stream: u32, bytes: usize) {
        if let Some(flight) = self.line().flights.iter_mut().find(|f| f.stream == stream)
            && let Clock::Progress(at) = &mut flight.clock
        {
            *at = Instant::now();
        }
        self.send(|protocol, output| protocol.credit(stream, bytes, output));
    }

    /// Tells the worker that nobody waits for this job; returns until when it may end by itself.
    pub(crate) fn cancel(&self, stream: u32, until: Instant) -> Option<Instant> {
        let mut line = self.line();
        if line.closed.is_some() {
            return None;
        }
        let Line { protocol, output, flights, .. } = &mut *line;
        let flight = flights.iter_mut().find(|f| f.stream == stream)?;
        if !protocol.cancel(stream, output) {
            return None;
        }
        flight.clock = Clock::Cancelled(until);
        let _ = self.write(&mut line);
        Some(until)
    }

    /// Ends this connection: nothing is written or read any more, and the reading task ends the process.
    pub(crate) fn close(&self, closed: Closed) {
        let mut line = self.line();
        line.closed.get_or_insert(closed);
        if let Some(task) = &line.task {
            task.wake_by_ref();
        }
    }

    /// Ends the connection for the worker, too.
    pub(crate) fn hang_up(&self) {
        platform::hang_up(&self.writer);
    }

    /// Takes the jobs that a closed connection leaves.
    pub(crate) fn take_flights(&self) -> VecDeque<Flight> {
        std::mem::take(&mut self.line().flights)
    }

    /// Ends this connection if a clock has run out, and returns why with the jobs; else when to look again.
    pub(crate) fn expire(&self, now: Instant, idle: Duration) -> Result<Option<Instant>, (Kill, VecDeque<Flight>)> {
        let mut line = self.line();
        if line.closed.is_some() {
            return Ok(None);
        }
        let Some(flight) = line.flights.front_mut() else {
            return Ok(None);
        };
        let (kill, due) = match &mut flight.clock {
            Clock::Head(None) => return Ok(None),
            Clock::Head(Some(at)) => (Kill::Deadline, *at),
            Clock::Cancelled(at) => (Kill::Cancel, *at),
            Clock::Progress(at) => {
                // A slow reader is not the worker's fault.
                if flight.exchange.is_reader_behind() {
                    *at = now;
                }
                (Kill::Idle, *at + idle)
            }
        };
        if due > now {
            return Ok(Some(due));
        }
        line.closed = Some(Closed::Killed(kill));
        let flights = std::mem::take(&mut line.flights);
        if let Some(task) = &line.task {
            task.wake_by_ref();
        }
        Err((kill, flights))
    }

    /// Writes what waits, on the reading task; tells whether the connection was closed.
    pub(crate) fn turn(&self, cx: &mut Context<'_>) -> Option<Closed> {
        let mut line = self.line();
        if !line.task.as_ref().is_some_and(|t| t.will_wake(cx.waker())) {
            line.task = Some(cx.waker().clone());
        }
        while !line.output.is_empty() && line.closed.is_none() {
            match platform::poll_write(&self.writer, cx, &line.output) {
                Poll::Ready(Ok(count)) => line.output.advance(count),
                Poll::Ready(Err(_)) => line.output.clear(),
                Poll::Pending => break,
            }
        }
        line.closed
    }

    /// Reads everything whole that the worker has sent.
    ///
    /// The second value is true if its answer has begun to arrive in pieces, which starts another clock.
    pub(crate) fn receive(
        &self,
        input: &mut BytesMut,
        deliveries: &mut Vec<Delivery>,
    ) -> Result<Option<Instant>, Violation> {
        let mut line = self.line();
        let mut now = None;
        let mut is_streaming = false;
        while let Some((_, event)) = line.protocol.receive(input)? {
            let now = *now.get_or_insert_with(Instant::now);
            if event.is_last() {
                let Some(flight) = line.flights.pop_front() else {
                    continue;
                };
                line.note_service(now.saturating_duration_since(flight.started));
                deliveries.push((flight.exchange, event));
            } else if let Some(flight) = line.flights.front_mut() {
                if matches!(event, Event::Reply(_) | Event::Data(_)) {
                    is_streaming = matches!(flight.clock, Clock::Head(_)) || is_streaming;
                    flight.clock = Clock::Progress(now);
                }
                deliveries.push((Arc::clone(&flight.exchange), event));
            }
        }
        Ok(now.filter(|_| is_streaming))
    }

    pub(crate) fn jobs(&self) -> u64 {
        self.line().jobs
    }

    pub(crate) fn service(&self) -> Duration {
        self.line().service
    }

    /// Returns what runs here and since when.
    pub(crate) fn running(&self) -> Option<(Arc<str>, Instant)> {
        self.line().flights.front().map(|f| (Arc::clone(&f.exchange.label), f.started))
    }
}

impl Line {
    fn note_service(&mut self, took: Duration) {
        self.jobs += 1;
        // An average in which the last eight jobs weigh most.
        self.service = self.service - self.service / 8 + took / 8;
    }
}

/// Bytes to have room for before a read: one whole chunk, so that large answers come in few reads.
pub(crate) const READ_BYTES: usize = CHUNK_BYTES_MAX / 4;
