//! Ctrl-C: the run ends early, and everything that it made is removed as at its end.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use bench_kit::Result;

/// Longest sleep without a look at the signal.
const STEP: Duration = Duration::from_millis(20);

static SEEN: AtomicBool = AtomicBool::new(false);

/// Notes SIGINT, SIGTERM and SIGHUP from now on.
pub(crate) fn watch() -> Result<()> {
    Ok(ctrlc::set_handler(|| SEEN.store(true, Ordering::Relaxed))?)
}

/// Fails after a signal.
pub(crate) fn check() -> Result<()> {
    match SEEN.load(Ordering::Relaxed) {
        true => Err("interrupted".into()),
        false => Ok(()),
    }
}

/// Sleeps, or fails at once after a signal.
pub(crate) fn pause(time: Duration) -> Result<()> {
    pause_until(Instant::now() + time)
}

/// Sleeps until a moment, or fails at once after a signal.
pub(crate) fn pause_until(end: Instant) -> Result<()> {
    loop {
        check()?;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(STEP));
    }
}

/// Calls `look` until it returns true. Fails after `limit` or a signal.
pub(crate) fn wait_until(what: &str, limit: Duration, mut look: impl FnMut() -> bool) -> Result<()> {
    let end = Instant::now() + limit;
    while !look() {
        if Instant::now() > end {
            return Err(format!("waited {limit:?} until {what}").into());
        }
        pause(STEP)?;
    }
    Ok(())
}
