//! One timer for a whole pool.
//!
//! Owns the earliest instant that anything in the pool has to be looked at. Rule: starting a job costs one atomic
//! operation here; the timer is woken only by an instant that is earlier than the one it waits for.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use tokio::{sync::Notify, time::sleep_until};

const NEVER: u64 = u64::MAX;

#[derive(Debug)]
pub(crate) struct Clock {
    epoch: Instant,
    /// Nanoseconds after `epoch` at which to look.
    due: AtomicU64,
    earlier: Notify,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Clock { epoch: Instant::now(), due: AtomicU64::new(NEVER), earlier: Notify::new() }
    }

    /// Makes sure that somebody looks at that time.
    pub(crate) fn arm(&self, at: Instant) {
        let at = u64::try_from(at.saturating_duration_since(self.epoch).as_nanos()).unwrap_or(NEVER);
        // Most jobs share a deadline, so theirs is later than the one that is armed: then nothing is written.
        if at < self.due.load(Ordering::SeqCst) && at < self.due.fetch_min(at, Ordering::SeqCst) {
            self.earlier.notify_one();
        }
    }

    /// Waits for the armed instant and disarms; whoever arms from now on is heard by the next call.
    pub(crate) async fn wait(&self) {
        loop {
            let due = self.due.load(Ordering::SeqCst);
            if due == NEVER {
                self.earlier.notified().await;
                continue;
            }
            let at = self.epoch + Duration::from_nanos(due);
            tokio::select! {
                () = sleep_until(at.into()) => break,
                () = self.earlier.notified() => {}
            }
        }
        self.due.store(NEVER, Ordering::SeqCst);
    }
}
