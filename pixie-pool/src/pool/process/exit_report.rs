//! What is told of a worker that has ended: one event with everything that is known, and its counts.
//!
//! Owns the words and the bounds of that event. Leaves the end itself to `slot` and `host`.
//! Rule: one event for each end, and nothing in it that a worker wrote can steer a terminal, fake a line or grow without bound.

use std::{fmt, sync::Arc, time::Duration};

use tracing::field;

use crate::{
    config::{STDERR_LINES_LOGGED, STDERR_LINES_LOGGED_BYTES},
    error::Exit,
    pool::{
        connection::kill::Closed, connection::sent_job::Running, connection::socket::Link, process::child::Peak,
        process::output::printable, shared::Shared,
    },
};

/// Writes the event. A macro, because the level of an event has to be known when it is compiled.
macro_rules! write_down {
    ($obituary:expr, $shared:expr, $level:ident, $what:literal, $cause:expr) => {{
        let Obituary { link, exit, last, peak, .. } = $obituary;
        let name = last.as_ref().map(|(running, _)| &running.name);
        let stderr = last_lines(&exit.stderr);
        tracing::$level!(
            pool = %$shared.name,
            worker = link.number,
            pid = link.pid,
            cause = $cause,
            signal = exit.signal,
            code = exit.code,
            route = name.map(|name| &*name.label).filter(|route| !route.is_empty()),
            job = name.map(|name| name.number),
            request = name.and_then(|name| name.request_id.as_deref()),
            ran = last.as_ref().map(|(_, ran)| field::display(Seconds(*ran))),
            age = %Seconds(link.age()),
            jobs = link.jobs(),
            memory_peak = peak.filter(|peak| peak.is_exact).map(|peak| peak.bytes),
            memory_peak_at_most = peak.filter(|peak| !peak.is_exact).map(|peak| peak.bytes),
            stderr = (!stderr.is_empty()).then_some(&*stderr),
            $what
        );
    }};
}

/// An ended worker.
pub(crate) struct Obituary<'a> {
    pub(crate) link: &'a Link,
    pub(crate) closed: Closed,
    pub(crate) exit: &'a Exit,
    /// What it ran, and for how long.
    pub(crate) last: Option<(Running, Duration)>,
    pub(crate) peak: Option<Peak>,
}

impl Obituary<'_> {
    /// Counts the end and writes it down.
    pub(crate) fn publish(&self, shared: &Arc<Shared>) {
        match self.closed {
            Closed::Killed(kill) if kill.is_polite() => {
                let Obituary { link, exit, .. } = self;
                tracing::debug!(pool = %shared.name, worker = link.number, pid = link.pid, cause = kill.name(), %exit, "a worker was ended");
            }
            Closed::Killed(kill) => {
                shared.metrics.killed(kill.name());
                write_down!(self, shared, warn, "a worker was killed", kill.name());
            }
            Closed::Exited => {
                let cause = self.exit.cause();
                shared.metrics.died(&cause);
                shared.count(|c| *c.deaths.entry(cause.to_string()).or_default() += 1);
                write_down!(self, shared, error, "a worker died", &*cause);
            }
        }
    }
}

/// A time as logs show it: seconds with three digits.
pub(crate) struct Seconds(pub(crate) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0.as_secs_f64())
    }
}

/// The last lines that a worker wrote, as one line.
pub(crate) fn last_lines(stderr: &str) -> String {
    let lines: Vec<_> = stderr.trim_end().lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines[lines.len().saturating_sub(STDERR_LINES_LOGGED)..].join(" | ");
    let mut last = printable(last.as_bytes());
    let excess = last.len().saturating_sub(STDERR_LINES_LOGGED_BYTES);
    let start = (excess..=last.len()).find(|at| last.is_char_boundary(*at)).unwrap_or_default();
    last.split_off(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_worker_wrote_becomes_one_bounded_line() {
        assert_eq!(last_lines("one\n\ntwo\x1b[2J\r\nthree\n"), "one | two\u{fffd}[2J | three");
        let many: String = (1..=100).map(|n| format!("line {n}\n")).collect();
        let last = last_lines(&many);
        assert!(last.starts_with("line 91 | ") && last.ends_with(" | line 100"), "{last}");
        let long = last_lines(&"ü".repeat(10_000));
        assert!(long.len() <= STDERR_LINES_LOGGED_BYTES && long.chars().all(|c| c == 'ü'));
        assert_eq!(last_lines(" \n\n"), "");
    }
}
