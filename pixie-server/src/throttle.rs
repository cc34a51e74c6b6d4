//! `Throttle`: how often a line that clients can cause is written to the log.

use std::{
    num::NonZeroU64,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Shortest time between two lines about refused clients. Short, because each line names another client.
const REFUSALS: Duration = Duration::from_secs(1);
/// Shortest time between two warnings about a state that lasts.
const WARNINGS: Duration = Duration::from_secs(10);

/// Limits how often something is logged, so that clients cannot fill the disk.
///
/// ```
/// let throttle = pixie_server::Throttle::of_warnings();
/// assert_eq!((throttle.due(), throttle.due()), (Some(None), None));
/// ```
#[derive(Debug)]
pub struct Throttle {
    pause: Duration,
    lines: Mutex<Lines>,
}

#[derive(Debug)]
struct Lines {
    last: Option<Instant>,
    left_out: u64,
}

impl Throttle {
    /// Allows one line per second, for lines about refused requests or connections.
    pub const fn of_refusals() -> Throttle {
        Throttle::every(REFUSALS)
    }

    /// Allows one line every ten seconds, for warnings.
    pub const fn of_warnings() -> Throttle {
        Throttle::every(WARNINGS)
    }

    const fn every(pause: Duration) -> Throttle {
        Throttle { pause, lines: Mutex::new(Lines { last: None, left_out: 0 }) }
    }

    /// Returns `None` if the last line is too recent. Otherwise returns how many lines were left out since
    /// then, for the line to report.
    pub fn due(&self) -> Option<Option<NonZeroU64>> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.last.is_some_and(|last| last.elapsed() < self.pause) {
            lines.left_out += 1;
            return None;
        }
        lines.last = Some(Instant::now());
        Some(NonZeroU64::new(std::mem::take(&mut lines.left_out)))
    }

    /// Returns whether the last line is old enough for another one.
    pub fn is_due(&self) -> bool {
        self.due().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_throttle_counts_the_lines_that_it_has_left_out() {
        let mut throttle = Throttle::every(Duration::from_secs(3600));
        assert_eq!([throttle.due(), throttle.due(), throttle.due()], [Some(None), None, None]);
        throttle.pause = Duration::ZERO;
        assert_eq!([throttle.due(), throttle.due()], [Some(NonZeroU64::new(2)), Some(None)]);
    }
}
