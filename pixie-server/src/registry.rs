//! All connections of one server, and the sweep that finds connections that have not changed for too long.
//!
//! A sweep a few times a second replaces a timer for each request; such timers take about 4 % of the time of
//! a small request in hyper. Time is counted in sweeps and not read from a clock, so that clients do not time
//! out when the whole process was suspended.

use std::{
    cmp::Reverse,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{MissedTickBehavior, interval},
};

use crate::{
    Config,
    clients::Client,
    watch::{BodyPhase, Phase, Snapshot, Stage, Timeout, Watch},
};

/// Longest time between two sweeps: the delay of a timeout, small beside timeouts of half a minute.
const SWEEP_SLOWEST: Duration = Duration::from_millis(250);
/// Shortest time between two sweeps. Only tests have timeouts below 40 ms, which would need shorter ones.
const SWEEP_FASTEST: Duration = Duration::from_millis(10);
/// Limits how long an HTTP/2 connection without a stream stays open after GOAWAY, so that a client cannot
/// keep it by not answering. A client that is alive answers within one round trip.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);
/// The time after which canceled requests of an HTTP/2 connection are forgotten.
pub(crate) const CANCEL_WINDOW: Duration = Duration::from_secs(10);

pub(crate) struct Registry {
    rows: Mutex<Rows>,
    first_added: Notify,
    limits: Limits,
}

struct Rows {
    stage: Stage,
    rows: Vec<Row>,
}

/// A connection, and the number of sweeps since its last change.
struct Row {
    watch: Arc<Watch>,
    seen: Snapshot,
    still: u32,
    body: Meter,
    write: Meter,
    /// The number of the running request, and for how many sweeps it runs.
    request: (u32, u32),
    /// The streams of an HTTP/2 connection.
    streams: Vec<Row>,
    /// How many sweeps the present window of canceled requests lasts.
    cancel_window: u32,
}

/// Measures the bytes of one direction while the server waits for the client.
#[derive(Clone, Copy, Default)]
struct Meter {
    /// How many sweeps of this window found that the server waits.
    waited: u32,
    /// The bytes before this window.
    before: u64,
}

/// The timeouts, as numbers of sweeps, and the bytes that must move in these times.
struct Limits {
    sweep: Duration,
    header: u32,
    body: u32,
    body_bytes_min: u64,
    write: u32,
    write_bytes_min: u64,
    idle: u32,
    request: u32,
    leave: u32,
    cancel_window: u32,
}

impl Registry {
    pub(crate) fn new(config: &Config) -> Registry {
        let rows = Rows { stage: Stage::Serving, rows: Vec::new() };
        Registry { rows: Mutex::new(rows), first_added: Notify::new(), limits: Limits::new(config) }
    }

    pub(crate) fn add(&self, client: Option<Client>) -> Arc<Watch> {
        let mut all = self.lock();
        let watch = Arc::new(Watch::new(all.stage));
        client.into_iter().for_each(|client| watch.set_client(client));
        all.rows.push(Row::new(watch.clone()));
        if all.rows.len() == 1 {
            self.first_added.notify_one();
        }
        watch
    }

    /// Sets the stage of the shutdown for all connections, the present and the future ones.
    pub(crate) fn set_stage(&self, stage: Stage) {
        let mut all = self.lock();
        all.stage = stage;
        for row in &all.rows {
            row.watch.set_stage(stage);
        }
    }

    /// Closes the connections that have been idle longest, at most `count`, of one client or of all clients.
    /// Returns how many. A connection that has changed since the last sweep is not idle yet.
    pub(crate) fn close_idle(&self, count: usize, client: Option<Client>) -> usize {
        self.close(count, |row| row.still > 0 && (client.is_none() || row.watch.client() == client))
    }

    /// Closes the connections that have waited longest for their first request, at most `count`.
    pub(crate) fn close_silent(&self, count: usize) -> usize {
        self.close(count, |row| row.seen.phase() == Phase::New)
    }

    fn close(&self, count: usize, is_meant: impl Fn(&Row) -> bool) -> usize {
        let all = self.lock();
        let is_idle = |row: &&Row| row.is_idle() && is_meant(row);
        let mut idle: Vec<&Row> = all.rows.iter().filter(is_idle).collect();
        // Stable, so that of two connections the one that was accepted first is closed first.
        idle.sort_by_key(|row| Reverse(row.still));
        idle.truncate(count);
        idle.iter().for_each(|row| row.watch.time_out(Timeout::Idle, row.seen));
        idle.len()
    }

    /// Sweeps until the future is dropped, and pauses while there are zero connections.
    pub(crate) async fn sweep_forever(&self) {
        let mut ticks = interval(self.limits.sweep);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if self.sweep() == 0 {
                self.first_added.notified().await;
                ticks.reset();
            }
        }
    }

    pub(crate) fn sweep(&self) -> usize {
        let mut all = self.lock();
        all.rows.retain_mut(|row| row.sweep(&self.limits));
        all.rows.len()
    }

    fn lock(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Row {
    fn new(watch: Arc<Watch>) -> Row {
        let seen = watch.snapshot();
        let (body, write) = Default::default();
        Row { watch, seen, still: 0, body, write, request: (0, 0), streams: Vec::new(), cancel_window: 0 }
    }

    /// Checks the connection for changes and timeouts, and returns whether it is still open.
    fn sweep(&mut self, limits: &Limits) -> bool {
        let seen = self.watch.snapshot();
        // The time for the first head counts from the accept, so its first byte does not start it again.
        let is_idle = seen.is_without_streams_as(self.seen) && self.watch.requests() == self.request.0;
        if seen == self.seen || seen.is_first_byte_after(self.seen) || is_idle {
            self.still = self.still.saturating_add(1);
        } else {
            self.still = 0;
        }
        self.seen = seen;
        if let Some(timeout) = limits.exceeded(seen, self.still).or_else(|| self.slow(limits)) {
            self.watch.time_out(timeout, seen);
        }
        if self.watch.is_half_closed() && seen.phase().is_in_exchange() {
            self.watch.wake();
        }
        self.sweep_request(limits);
        if seen.phase().is_multiplexed() {
            self.sweep_streams(limits);
        }
        seen.phase() != Phase::Closed
    }

    /// Ends a request that has no response after the time that it may take in all.
    fn sweep_request(&mut self, limits: &Limits) {
        let (request, sweeps) = (self.watch.requests(), self.request.1 + 1);
        let is_running = self.seen.phase() == Phase::Handling && request == self.request.0;
        self.request = (request, if is_running { sweeps } else { 0 });
        if self.request.1 < limits.request {
            return;
        }
        match self.seen.body {
            // The client is late: the service gets the error of a body that does not arrive.
            BodyPhase::Awaited => self.watch.time_out(Timeout::Body, self.seen),
            _ => self.watch.set_late(),
        }
    }

    fn sweep_streams(&mut self, limits: &Limits) {
        self.streams.extend(self.watch.take_streams().into_iter().map(Row::new));
        self.streams.retain_mut(|stream| stream.sweep(limits));
        // Its task has ended, so only the end of the connection frees the bytes that its client does not
        // take.
        let is_stuck = |stream: &Row| stream.seen.phase() == Phase::Idle && stream.watch.timeout().is_some();
        if self.streams.iter().any(is_stuck) {
            self.watch.time_out(Timeout::Write, self.seen);
        }
        self.cancel_window += 1;
        if self.cancel_window >= limits.cancel_window {
            self.cancel_window = 0;
            self.watch.forgive_canceled();
        }
    }

    /// Returns the timeout of a client that sends or reads too slowly.
    fn slow(&mut self, limits: &Limits) -> Option<Timeout> {
        let seen = self.seen;
        if seen.is_idle() {
            (self.body, self.write) = Default::default();
            return None;
        }
        let (body_waits, write_waits) = (seen.body == BodyPhase::Awaited, seen.write_blocked);
        if write_waits && self.write.is_slow(self.watch.sent(), limits.write, limits.write_bytes_min) {
            return Some(Timeout::Write);
        }
        let slow = body_waits && self.body.is_slow(self.watch.received(), limits.body, limits.body_bytes_min);
        slow.then_some(Timeout::Body)
    }

    fn is_idle(&self) -> bool {
        self.seen.is_idle() && self.watch.timeout().is_none() && self.watch.snapshot() == self.seen
    }
}

impl Meter {
    /// Counts a sweep in which the server waits for the client. Returns whether this ends a window in which
    /// too few bytes have moved.
    fn is_slow(&mut self, bytes: u64, window: u32, bytes_min: u64) -> bool {
        if self.waited == 0 {
            self.before = bytes;
        }
        self.waited += 1;
        if self.waited <= window {
            return false;
        }
        self.waited = 0;
        bytes.wrapping_sub(self.before) < bytes_min
    }
}

impl Limits {
    fn new(config: &Config) -> Limits {
        let Config { header_timeout, body_timeout, write_timeout, idle_timeout, .. } = *config;
        let request_timeout = config.request_timeout.unwrap_or(Duration::MAX);
        let shortest = header_timeout.min(body_timeout).min(write_timeout).min(idle_timeout).min(request_timeout);
        let sweep = (shortest / 4).clamp(SWEEP_FASTEST, SWEEP_SLOWEST);
        let sweeps = |timeout: Duration| {
            let count = timeout.as_nanos().div_ceil(sweep.as_nanos());
            u32::try_from(count).unwrap_or(u32::MAX).max(1)
        };
        let bytes = |rate: u64, timeout: Duration| (rate as f64 * timeout.as_secs_f64()) as u64;
        Limits {
            sweep,
            header: sweeps(header_timeout),
            body: sweeps(body_timeout),
            body_bytes_min: bytes(config.body_rate_min, body_timeout),
            write: sweeps(write_timeout),
            write_bytes_min: bytes(config.write_rate_min, write_timeout),
            idle: sweeps(idle_timeout),
            request: sweeps(request_timeout),
            leave: sweeps(LEAVE_TIMEOUT),
            cancel_window: sweeps(CANCEL_WINDOW),
        }
    }

    /// Returns the timeout of a connection that has not changed for `still` sweeps, if it has reached one.
    fn exceeded(&self, seen: Snapshot, still: u32) -> Option<Timeout> {
        let (limit, timeout) = match (seen.write_blocked, seen.body, seen.phase()) {
            (_, _, Phase::Ended | Phase::Closed) => return None,
            (true, _, _) => (self.write, Timeout::Write),
            (_, BodyPhase::Awaited, _) => (self.body, Timeout::Body),
            (_, _, Phase::New) => (self.header.min(self.idle), Timeout::Idle),
            (_, _, Phase::Head) => (self.header, Timeout::Head),
            (_, BodyPhase::Ended | BodyPhase::Abandoned, Phase::Idle) => (self.idle, Timeout::Idle),
            (_, _, Phase::Multiplexed) if seen.streams == 0 => (self.idle, Timeout::Idle),
            (_, _, Phase::Leaving) if seen.streams == 0 => (self.leave, Timeout::Idle),
            _ => return None,
        };
        (still >= limit).then_some(timeout)
    }
}

#[cfg(test)]
mod tests;
