//! All connections of one server, and the sweep that finds connections that have not changed for too long.
//!
//! A sweep a few times a second replaces a timer for each request; such timers take about 4 % of the time of
//! a small request in hyper. Time is counted in sweeps and not read from a clock, so that clients do not time
//! out when the whole process was suspended.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{MissedTickBehavior, interval},
};

use crate::{
    Config,
    watch::{BodyPhase, Phase, Snapshot, Stage, Timeout, Watch},
};

/// Longest time between two sweeps: the delay of a timeout, small beside timeouts of half a minute.
const SWEEP_SLOWEST: Duration = Duration::from_millis(250);
/// Shortest time between two sweeps. Only tests have timeouts below 40 ms, which would need shorter ones.
const SWEEP_FASTEST: Duration = Duration::from_millis(10);

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
}

/// The timeouts, as numbers of sweeps.
struct Limits {
    sweep: Duration,
    header: u32,
    body: u32,
    write: u32,
    idle: u32,
}

impl Registry {
    pub(crate) fn new(config: &Config) -> Registry {
        let rows = Rows { stage: Stage::Serving, rows: Vec::new() };
        Registry { rows: Mutex::new(rows), first_added: Notify::new(), limits: Limits::new(config) }
    }

    pub(crate) fn add(&self) -> Arc<Watch> {
        let mut all = self.lock();
        let watch = Arc::new(Watch::new(all.stage));
        all.rows.push(Row { seen: watch.snapshot(), watch: watch.clone(), still: 0 });
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

    fn sweep(&self) -> usize {
        let mut all = self.lock();
        all.rows.retain_mut(|row| row.sweep(&self.limits));
        all.rows.len()
    }

    fn lock(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Row {
    /// Checks the connection for changes and timeouts, and returns whether it is still open.
    fn sweep(&mut self, limits: &Limits) -> bool {
        let seen = self.watch.snapshot();
        if seen != self.seen {
            (self.seen, self.still) = (seen, 0);
        } else {
            self.still = self.still.saturating_add(1);
        }
        if let Some(timeout) = limits.exceeded(seen, self.still) {
            self.watch.time_out(timeout, seen);
        }
        seen.phase() != Phase::Closed
    }
}

impl Limits {
    fn new(config: &Config) -> Limits {
        let Config { header_timeout, body_timeout, write_timeout, idle_timeout, .. } = *config;
        let shortest = header_timeout.min(body_timeout).min(write_timeout).min(idle_timeout);
        let sweep = (shortest / 4).clamp(SWEEP_FASTEST, SWEEP_SLOWEST);
        let sweeps = |timeout: Duration| {
            let count = timeout.as_nanos().div_ceil(sweep.as_nanos());
            u32::try_from(count).unwrap_or(u32::MAX).max(1)
        };
        Limits {
            sweep,
            header: sweeps(header_timeout),
            body: sweeps(body_timeout),
            write: sweeps(write_timeout),
            idle: sweeps(idle_timeout),
        }
    }

    /// Returns the timeout of a connection that has not changed for `still` sweeps, if it has reached one.
    fn exceeded(&self, seen: Snapshot, still: u32) -> Option<Timeout> {
        let (limit, timeout) = match (seen.write_blocked, seen.body, seen.phase()) {
            (_, _, Phase::Ended | Phase::Closed) => return None,
            (true, _, _) => (self.write, Timeout::Write),
            (_, BodyPhase::Awaited, _) => (self.body, Timeout::Body),
            (_, _, Phase::Head) => (self.header, Timeout::Head),
            (_, BodyPhase::Ended | BodyPhase::Abandoned, Phase::Idle) => (self.idle, Timeout::Idle),
            _ => return None,
        };
        (still >= limit).then_some(timeout)
    }
}

#[cfg(test)]
mod tests;
