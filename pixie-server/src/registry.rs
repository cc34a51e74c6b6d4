//! All connections of one server, and the sweep that finds those that stand still.
//!
//! One sweep a few times a second replaces a timer per request, which costs hyper some 4 % of a small request. Time is
//! counted in sweeps, not read from a clock: when the whole process stands still, its clients are not blamed for it.

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
    watch::{Body, Phase, Snapshot, Stage, Verdict, Watch},
};

/// The longest time between two sweeps. A quarter of a second is invisible against time-outs of half a minute.
const SWEEP_SLOWEST: Duration = Duration::from_millis(250);
/// The shortest: time-outs below 40 ms only make sense in tests.
const SWEEP_FASTEST: Duration = Duration::from_millis(10);

pub(crate) struct Registry {
    rows: Mutex<Rows>,
    first_came: Notify,
    limits: Limits,
}

struct Rows {
    stage: Stage,
    rows: Vec<Row>,
}

/// A connection and for how many sweeps it has not changed.
struct Row {
    watch: Arc<Watch>,
    seen: Snapshot,
    still: u32,
}

/// The time-outs, counted in sweeps.
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
        Registry { rows: Mutex::new(rows), first_came: Notify::new(), limits: Limits::new(config) }
    }

    pub(crate) fn admit(&self) -> Arc<Watch> {
        let mut all = self.lock();
        let watch = Arc::new(Watch::new(all.stage));
        all.rows.push(Row { seen: watch.snapshot(), watch: watch.clone(), still: 0 });
        if all.rows.len() == 1 {
            self.first_came.notify_one();
        }
        watch
    }

    /// Tells every connection, now and to come, how far the shutdown is.
    pub(crate) fn order(&self, stage: Stage) {
        let mut all = self.lock();
        all.stage = stage;
        for row in &all.rows {
            row.watch.order(stage);
        }
    }

    /// Sweeps until it is dropped; rests while there is no connection.
    pub(crate) async fn sweep_forever(&self) {
        let mut clock = interval(self.limits.sweep);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            clock.tick().await;
            if self.sweep() == 0 {
                self.first_came.notified().await;
                clock.reset();
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
    /// Looks at the connection once more; returns whether it is still there.
    fn sweep(&mut self, limits: &Limits) -> bool {
        let seen = self.watch.snapshot();
        if seen != self.seen {
            (self.seen, self.still) = (seen, 0);
        } else {
            self.still = self.still.saturating_add(1);
        }
        if let Some(verdict) = limits.judge(seen, self.still) {
            self.watch.judge(verdict, seen);
        }
        seen.phase() != Phase::Gone
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

    /// What is wrong with a connection that has not changed for so many sweeps, if anything.
    fn judge(&self, seen: Snapshot, still: u32) -> Option<Verdict> {
        let (limit, verdict) = match (seen.write_blocked, seen.body, seen.phase()) {
            (_, _, Phase::Over | Phase::Gone) => return None,
            (true, _, _) => (self.write, Verdict::Write),
            (_, Body::Awaited, _) => (self.body, Verdict::Body),
            (_, _, Phase::Head) => (self.header, Verdict::Head),
            (_, Body::Ended | Body::Abandoned, Phase::Idle) => (self.idle, Verdict::Idle),
            _ => return None,
        };
        (still >= limit).then_some(verdict)
    }
}

#[cfg(test)]
#[path = "registry/tests.rs"]
mod tests;
