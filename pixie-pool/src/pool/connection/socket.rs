//! The parent's end of one worker's connection.
//!
//! Owns the socket's writing side and the lock before its state, which is `line`. Written to by submitters, read by the
//! worker's own task in `slot`. Rule: once it is closed nothing is written or believed any more.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::{Buf as _, BytesMut};

use crate::{
    config::{CHUNK_BYTES_MAX, Config, UNREAD_BYTES_MAX},
    platform::{self, WriteHalf},
    pool::{
        connection::job_state::Exchange,
        connection::kill::{Closed, Kill},
        connection::sent_job::{Clock, Flight, Running},
        connection::state::{Line, earlier},
        metrics::{Metrics, Outcome},
    },
    protocol::{
        frame::Violation,
        parent::{Event, Parent},
    },
    sandbox::SandboxLevel,
    snapshot::MemoryLimit,
};

/// The connection to one worker.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) number: usize,
    pub(crate) pid: u32,
    /// What holds the worker, as it has said.
    pub(crate) sandbox: SandboxLevel,
    pub(crate) memory_limit: Option<MemoryLimit>,
    born: Instant,
    writer: WriteHalf,
    metrics: Arc<Metrics>,
    line: Mutex<Line>,
}

/// What became of an attempt to start jobs here.
pub(crate) enum Begun {
    /// So many run; the clock has to look at them at that time.
    Running(usize, Option<Instant>),
    /// This worker is gone.
    Closed,
}

/// What a look at the clocks has found.
#[derive(Default)]
pub(crate) struct Expired {
    /// When to look again.
    pub(crate) due: Option<Instant>,
    /// The connection was closed because of this job.
    pub(crate) kill: Option<(Kill, Flight)>,
    /// Jobs that were sent ahead and whose time is over.
    pub(crate) late: Vec<Arc<Exchange>>,
    /// A job that has to be reported as slow.
    pub(crate) slow: Option<Running>,
}

/// What a look at a worker's memory has found.
#[derive(Debug)]
pub(crate) enum Weight {
    Fine,
    /// The worker is to be replaced.
    Large,
    /// The connection was closed, with this job on it.
    Over(Option<Arc<Exchange>>),
}

/// What one worker has to do.
pub(crate) struct Load {
    /// Jobs on the way.
    pub(crate) in_flight: usize,
    /// Jobs that may be sent now.
    pub(crate) room: usize,
    /// Whether the worker has done enough and is to be replaced.
    pub(crate) is_worn: bool,
}

/// What the worker has said, and to whom.
pub(crate) type Delivery = (Arc<Exchange>, Event);

impl Link {
    pub(crate) fn new(
        number: usize,
        pid: u32,
        writer: WriteHalf,
        line: Line,
        memory_limit: Option<MemoryLimit>,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        let (sandbox, born) = (line.protocol.sandbox(), Instant::now());
        Arc::new(Link { number, pid, sandbox, memory_limit, born, writer, metrics, line: Mutex::new(line) })
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn load(&self, now: Instant) -> Load {
        let line = self.line();
        let is_worn = line.wear.is_reached(line.pace.jobs(), now);
        Load { in_flight: line.flights.len(), room: line.room(now), is_worn }
    }

    /// Tells whether the worker has done enough.
    pub(crate) fn is_worn(&self) -> bool {
        let line = self.line();
        line.wear.is_reached(line.pace.jobs(), Instant::now())
    }

    /// Returns when the worker is old enough to be replaced.
    pub(crate) fn worn_at(&self) -> Option<Instant> {
        self.line().wear.until()
    }

    /// Compares the worker's memory with the limits: ends it, or notes that it is to be replaced.
    pub(crate) fn weigh(&self, memory: Option<u64>, recycle_memory: Option<u64>) -> Weight {
        // In a cgroup it cannot have more than it may.
        let memory = memory.filter(|_| self.memory_limit == Some(MemoryLimit::Process));
        if memory.or(recycle_memory).is_none() {
            return Weight::Fine;
        }
        let Ok(bytes) = platform::resident_bytes(self.pid) else {
            return Weight::Fine;
        };
        let mut line = self.line();
        if memory.is_some_and(|max| bytes > max) && line.closed.is_none() {
            line.close(Closed::Killed(Kill::Memory));
            return Weight::Over(line.flights.pop_front().map(|flight| flight.exchange));
        }
        if recycle_memory.is_some_and(|max| bytes > max) {
            line.wear.found_large();
            return Weight::Large;
        }
        Weight::Fine
    }

    pub(crate) fn is_busy(&self) -> bool {
        !self.line().flights.is_empty()
    }

    /// Sends jobs in one write, from whichever task has leased this worker or reads it; those that nobody waits for are dropped.
    pub(crate) fn begin(self: &Arc<Self>, batch: &mut Vec<Arc<Exchange>>, now: Instant) -> Begun {
        let mut line = self.line();
        if line.output.len() > UNREAD_BYTES_MAX {
            tracing::warn!(worker = self.number, pid = self.pid, "a worker answers what it has not read");
            line.close(Closed::Killed(Kill::Protocol));
        }
        if line.closed.is_some() {
            return Begun::Closed;
        }
        let Line { protocol, output, flights, pace, meter, .. } = &mut *line;
        let before = flights.len();
        if before == 0 {
            pace.begin(now);
            meter.begin(self.pid);
        }
        let mut due = None;
        for exchange in batch.drain(..) {
            let Some((start, deadline)) = exchange.dispatch(now, self, protocol.next_stream()) else {
                continue;
            };
            let stream = protocol.begin(&start, output);
            due = earlier(due, deadline);
            flights.push_back(Flight {
                exchange,
                unsent: Some(start),
                stream,
                clock: Clock::Head(deadline),
                is_reported: false,
            });
        }
        if self.write(&mut line).is_ok() {
            line.flights.iter_mut().skip(before).for_each(|f| f.unsent = None);
        }
        due = earlier(due, line.meter.due(now));
        Begun::Running(line.flights.len() - before, earlier(due, line.recall_due()))
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
            // The worker is going. What comes after is not sent either, or it would be missing where the job goes instead.
            Err(error) => {
                line.close(Closed::Exited);
                return Err(error);
            }
        }
        line.pull();
        if !line.output.is_empty() {
            line.wake();
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
            // The job may have another worker soon, which wants the body from here on.
            Some(_) => Some(0),
            None => line.protocol.send_room(stream),
        }
    }

    /// Sends a piece of body, and notes that its sender moves.
    pub(crate) fn data(&self, stream: u32, chunk: &[u8]) {
        self.moved(stream);
        self.send(|protocol, output| protocol.data(stream, chunk, output));
    }

    pub(crate) fn end(&self, stream: u32) {
        self.send(|protocol, output| protocol.end(stream, output));
    }

    /// Lets the worker send more, and notes that its reader moves.
    pub(crate) fn credit(&self, stream: u32, bytes: usize) {
        self.moved(stream);
        self.send(|protocol, output| protocol.credit(stream, bytes, output));
    }

    /// Notes that the client's end of a job moves, so that the worker is not taken for one that stands still.
    fn moved(&self, stream: u32) {
        if let Some(flight) = self.line().flights.iter_mut().find(|f| f.stream == stream)
            && let Clock::Progress(at) = &mut flight.clock
        {
            *at = Instant::now();
        }
    }

    /// Tells the worker that nobody waits for this job; returns until when it may end by itself.
    pub(crate) fn cancel(&self, stream: u32, grace: Duration) -> Option<Instant> {
        let mut line = self.line();
        if line.closed.is_some() || !line.cancel(stream, Instant::now(), grace) {
            return None;
        }
        let _ = self.write(&mut line);
        line.flights.iter().find(|f| f.stream == stream).and_then(|f| match f.clock {
            Clock::Cancelled(at, grace) => Some(at + grace),
            Clock::Head(_) | Clock::Progress(_) => None,
        })
    }

    /// Ends this connection: nothing is written or read any more, and the reading task ends the process.
    pub(crate) fn close(&self, closed: Closed) {
        let mut line = self.line();
        line.close(closed);
    }

    /// Ends the connection for the worker, too.
    pub(crate) fn hang_up(&self) {
        platform::hang_up(&self.writer);
        self.line().leash = None;
    }

    /// Takes the jobs that a closed connection leaves.
    pub(crate) fn take_flights(&self) -> VecDeque<Flight> {
        std::mem::take(&mut self.line().flights)
    }

    /// Looks at the clocks of all jobs here: ends this connection, lets late ones go, and calls back what was sent ahead in vain.
    pub(crate) fn expire(&self, now: Instant, config: &Config) -> Expired {
        let mut line = self.line();
        let mut expired = Expired::default();
        if line.closed.is_some() {
            return expired;
        }
        let since = line.pace.since();
        line.look_for_slow(now, config.slow_after, &mut expired);
        let timed = line.flights.front_mut().and_then(|f| f.due(now, since, config.stream_idle_timeout));
        let metered = if line.flights.is_empty() { None } else { line.meter.look(self.pid, now) };
        let Some((kill, due)) = [timed, metered].into_iter().flatten().min_by_key(|(_, due)| *due) else {
            return self.expire_ahead(line, now, config, expired);
        };
        if due > now {
            expired.due = earlier(expired.due, Some(due));
            return self.expire_ahead(line, now, config, expired);
        }
        line.close(Closed::Killed(kill));
        expired.kill = line.flights.pop_front().map(|flight| (kill, flight));
        expired
    }

    fn expire_ahead(
        &self,
        mut line: MutexGuard<'_, Line>,
        now: Instant,
        config: &Config,
        mut expired: Expired,
    ) -> Expired {
        // Nobody knows yet whether the worker has begun with these, so all that can be done is to answer in time.
        let late: Vec<u32> = line.ahead().filter(|(_, at)| *at <= now).map(|(stream, _)| stream).collect();
        for stream in late {
            line.cancel(stream, now, config.cancel_grace);
            expired.late.extend(line.flights.iter().find(|f| f.stream == stream).map(|f| Arc::clone(&f.exchange)));
        }
        if line.recall(now).is_err() {
            line.close(Closed::Killed(Kill::Stuck));
            return expired;
        }
        expired.due = earlier(expired.due, line.recall_due());
        expired.due = earlier(expired.due, line.ahead().map(|(_, at)| at).min());
        let _ = self.write(&mut line);
        expired
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
                Poll::Ready(Err(_)) => line.close(Closed::Exited),
                Poll::Pending => break,
            }
        }
        line.pull();
        line.closed
    }

    /// Reads everything whole that the worker has sent; closes the connection if it broke the protocol.
    ///
    /// Returns when an answer has begun to arrive in pieces, which starts another clock.
    pub(crate) fn receive(
        &self,
        input: &mut BytesMut,
        deliveries: &mut Vec<Delivery>,
    ) -> Result<Option<Instant>, Violation> {
        let mut line = self.line();
        if matches!(line.closed, Some(Closed::Killed(_))) {
            // The clock came first: the job that this may answer has its error already, and is not the first one here any more.
            input.clear();
            return Ok(None);
        }
        let mut now = None;
        let mut is_streaming = false;
        // Closed at once, or a job that is being sent just now would be taken for the one that it failed at.
        while let Some((_, event)) =
            line.protocol.receive(input).inspect_err(|_| line.close(Closed::Killed(Kill::Protocol)))?
        {
            let now = *now.get_or_insert_with(Instant::now);
            if let Event::GivenBack { at, count } = event {
                let given = line.flights.drain(at..at + count).map(|f| (f.exchange, Event::GivenBack { at, count }));
                deliveries.extend(given);
            } else if event.is_last() {
                let Some(flight) = line.flights.pop_front() else {
                    continue;
                };
                self.metrics.ended(Outcome::of(&event), now.saturating_duration_since(line.pace.since()));
                line.pace.end(&event, now);
                deliveries.push((flight.exchange, event));
            } else if let Some(flight) = line.flights.front_mut() {
                if let Event::Extended(milliseconds) = event {
                    flight.extend(Duration::from_millis(milliseconds.into()));
                    continue;
                }
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
        self.line().pace.jobs()
    }

    /// Returns since when the first job here is the first.
    pub(crate) fn since(&self) -> Instant {
        self.line().pace.since()
    }

    pub(crate) fn service(&self) -> Duration {
        self.line().pace.service()
    }

    /// Returns how long this worker has been ready.
    pub(crate) fn age(&self) -> Duration {
        self.born.elapsed()
    }

    /// Returns what runs here and since when.
    pub(crate) fn running(&self) -> Option<Running> {
        self.line().running()
    }

    /// Returns when this connection was closed, and what ran then.
    pub(crate) fn ended(&self) -> Option<(Instant, Option<Running>)> {
        self.line().ended.clone()
    }
}

/// Bytes to have room for before a read: one whole chunk, so that large answers come in few reads.
pub(crate) const READ_BYTES: usize = CHUNK_BYTES_MAX / 4;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
pub(crate) mod tests;
