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
    config::{AHEAD_JOBS_MAX, AHEAD_PATIENCE, AHEAD_SERVICE_MAX, CHUNK_BYTES_MAX, Config, RECALL_ANSWER_MAX},
    platform::{self, Leash, WriteHalf},
    pool::{
        exchange::Exchange,
        flight::{Clock, Flight},
        kill::{Closed, Kill},
    },
    protocol::{
        frame::Violation,
        parent::{Event, Parent},
    },
};

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
    /// Since when the first of the jobs on the way is the first.
    since: Instant,
    /// When what was sent ahead was called back last.
    recalled: Instant,
    /// What makes a worker look at its socket while its handler runs; a thread has none, and nothing is sent ahead to it.
    leash: Option<Leash>,
    /// It has to be pulled, because something for which the handler must not be waited for is on its way.
    must_pull: bool,
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
}

/// What the worker has said, and to whom.
pub(crate) type Delivery = (Arc<Exchange>, Event);

impl Link {
    pub(crate) fn new(number: usize, pid: u32, writer: WriteHalf, protocol: Parent, leash: Option<Leash>) -> Arc<Self> {
        let line = Line {
            protocol,
            output: BytesMut::new(),
            flights: VecDeque::new(),
            task: None,
            closed: None,
            jobs: 0,
            service: Duration::ZERO,
            since: Instant::now(),
            recalled: Instant::now(),
            leash,
            must_pull: false,
        };
        Arc::new(Link { number, pid, writer, line: Mutex::new(line) })
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many jobs are on the way, and how many more may be sent now.
    pub(crate) fn load(&self) -> (usize, usize) {
        let line = self.line();
        (line.flights.len(), line.room())
    }

    /// Sends jobs in one write, from whichever task has leased this worker or reads it; those that nobody waits for are dropped.
    pub(crate) fn begin(self: &Arc<Self>, batch: &mut Vec<Arc<Exchange>>, now: Instant) -> Begun {
        let mut line = self.line();
        if line.closed.is_some() {
            return Begun::Closed;
        }
        let Line { protocol, output, flights, since, .. } = &mut *line;
        let before = flights.len();
        if before == 0 {
            *since = now;
        }
        let mut due = None;
        for exchange in batch.drain(..) {
            let Some((start, deadline)) = exchange.dispatch(now, self, protocol.next_stream()) else {
                continue;
            };
            let stream = protocol.begin(&start, output);
            due = earlier(due, deadline);
            flights.push_back(Flight { exchange, unsent: Some(start), stream, clock: Clock::Head(deadline) });
        }
        if self.write(&mut line).is_ok() {
            line.flights.iter_mut().skip(before).for_each(|f| f.unsent = None);
        }
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
            // The worker is going; the reading task sees it too.
            Err(error) => {
                line.output.clear();
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
        line.closed.get_or_insert(closed);
        line.wake();
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
        let since = line.since;
        let Some((kill, due)) = line.flights.front_mut().and_then(|f| f.due(now, since, config.stream_idle_timeout))
        else {
            return self.expire_ahead(line, now, config, expired);
        };
        if due > now {
            expired.due = Some(due);
            return self.expire_ahead(line, now, config, expired);
        }
        line.closed = Some(Closed::Killed(kill));
        expired.kill = line.flights.pop_front().map(|flight| (kill, flight));
        line.wake();
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
        match line.recall_due() {
            Some(at) if at <= now && line.protocol.is_recalled() => {
                line.closed = Some(Closed::Killed(Kill::Stuck));
                line.wake();
                return expired;
            }
            Some(at) if at <= now => {
                let Line { protocol, output, .. } = &mut *line;
                protocol.recall(output);
                line.recalled = now;
                line.must_pull = true;
                expired.due = earlier(expired.due, line.recall_due());
            }
            due => expired.due = earlier(expired.due, due),
        }
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
                Poll::Ready(Err(_)) => line.output.clear(),
                Poll::Pending => break,
            }
        }
        line.pull();
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
            if let Event::GivenBack { at, count } = event {
                let given = line.flights.drain(at..at + count).map(|f| (f.exchange, Event::GivenBack { at, count }));
                deliveries.extend(given);
            } else if event.is_last() {
                let Some(flight) = line.flights.pop_front() else {
                    continue;
                };
                line.note_service(&event, now);
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
        let line = self.line();
        line.flights.front().map(|f| (Arc::clone(&f.exchange.label), line.since))
    }
}

impl Line {
    fn wake(&self) {
        if let Some(task) = &self.task {
            task.wake_by_ref();
        }
    }

    /// Makes the worker look once everything is written; also before, because it may be its looking that makes room.
    fn pull(&mut self) {
        if !self.must_pull {
            return;
        }
        if let Some(leash) = &self.leash {
            leash.pull();
        }
        self.must_pull = !self.output.is_empty();
    }

    /// How many jobs may be sent now: more than one only where jobs are known to be short.
    fn room(&self) -> usize {
        let limit = if self.jobs == 0
            || self.service > AHEAD_SERVICE_MAX
            || self.leash.is_none()
            || self.protocol.is_recalled()
        {
            1
        } else {
            let fitting = AHEAD_PATIENCE.as_nanos() / self.service.as_nanos().max(1);
            usize::try_from(fitting).map_or(AHEAD_JOBS_MAX, |n| n.clamp(1, AHEAD_JOBS_MAX))
        };
        match self.flights.front() {
            None => limit,
            // Half of them have to be answered before more are sent, or there would soon be one write for each again.
            Some(first)
                if first.exchange.may_share()
                    && matches!(first.clock, Clock::Head(_))
                    && self.flights.len() <= limit / 2 =>
            {
                limit - self.flights.len()
            }
            Some(_) => 0,
        }
    }

    /// Returns when the first job has kept those behind it waiting for too long, or, after that, the worker its answer.
    fn recall_due(&self) -> Option<Instant> {
        let at = match self.protocol.is_recalled() {
            false => self.since + AHEAD_PATIENCE + self.service,
            true => self.recalled + RECALL_ANSWER_MAX,
        };
        (self.flights.len() > 1).then_some(at)
    }

    /// The jobs that were sent ahead and have to be answered at a certain time.
    fn ahead(&self) -> impl Iterator<Item = (u32, Instant)> {
        self.flights.iter().skip(1).filter_map(|f| f.due_ahead().map(|at| (f.stream, at)))
    }

    /// Tells the worker that nobody waits for a job; false if it is over or was cancelled before.
    fn cancel(&mut self, stream: u32, now: Instant, grace: Duration) -> bool {
        let Some(flight) = self.flights.iter_mut().find(|f| f.stream == stream) else {
            return false;
        };
        let is_told = self.protocol.cancel(stream, &mut self.output);
        if is_told {
            flight.clock = Clock::Cancelled(now, grace);
        }
        is_told
    }

    fn note_service(&mut self, event: &Event, now: Instant) {
        // How long it took here includes how long it waited for a core and for the answers that were written with it, so the
        // worker is asked. One that lies gets jobs sent ahead that are called back: that harms nobody but its own pool.
        let took = match event {
            Event::Reply(answer) => Duration::from_micros(answer.took_us.into()),
            _ => now.saturating_duration_since(self.since),
        };
        self.since = now;
        self.jobs += 1;
        // An average in which the last eight jobs weigh most.
        self.service = if self.jobs == 1 { took } else { self.service - self.service / 8 + took / 8 };
    }
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    [one, other].into_iter().flatten().min()
}

/// Bytes to have room for before a read: one whole chunk, so that large answers come in few reads.
pub(crate) const READ_BYTES: usize = CHUNK_BYTES_MAX / 4;
