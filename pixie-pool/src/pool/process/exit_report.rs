//! What follows when a worker exits: its jobs are moved, retried or failed, and the exit is logged.
//!
//! Invariants: each job that a worker leaves gets an error or goes back into the queue. Each exit is logged
//! once. Text from the worker is limited, and cannot control a terminal or forge a log line.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use tracing::field;

use crate::{
    config::{JOB_END, STDERR_LINES_LOGGED, STDERR_LINES_LOGGED_BYTES},
    error::{Error, Exit},
    pool::{
        connection::{Closed, Connection, Continuation, JobState, Kill, RunningJob, SentJob},
        observers::{Observers, Seconds},
        process::{
            child::{Child, Ending, MemoryPeak},
            event, memory,
            output::printable,
            reading::Reading,
        },
        queue::Queue,
    },
};

/// The jobs that an exited worker leaves. They fail if the runtime shuts down before they are settled.
pub(crate) struct LeftJobs {
    left: VecDeque<SentJob>,
    all: Vec<Arc<JobState>>,
}

impl LeftJobs {
    pub(crate) fn new(left: VecDeque<SentJob>) -> Self {
        let all = left.iter().map(|sent| Arc::clone(&sent.job)).collect();
        LeftJobs { left, all }
    }
}

impl Drop for LeftJobs {
    fn drop(&mut self) {
        self.all.iter().for_each(|job| job.fail(Error::Stopping));
    }
}

/// Waits for the exit of a worker, decides the fate of its jobs and reports the exit.
pub(crate) async fn settle(mut reading: Reading, mut child: Child, mut closed: Closed, mut jobs: LeftJobs) {
    let (queue, connection) = (Arc::clone(&reading.queue), Arc::clone(&reading.connection));
    let (queue, observers) = (&queue, &queue.observers);
    let mut left = std::mem::take(&mut jobs.left);
    let has_left = !left.is_empty();
    // A job may have just sent its reply.
    let is_busy = has_left || connection.is_busy();
    let grace = if is_busy { JOB_END } else { queue.config.stop_grace() };
    let Ending { peak, exceeded_memory, is_from_outside, cgroup } = child.end(closed, grace).await;
    // Not before, because that makes a process end itself, which would look like a signal of others.
    connection.hang_up();
    if let Some(shared) = &queue.shared {
        reading.drain();
        let claimed = connection.claimed_at_exit(shared);
        queue.rules().withdrawn(claimed.len());
        if closed == Closed::Killed(Kill::Retire) && !claimed.is_empty() {
            closed = Closed::Exited;
        }
        left.extend(claimed);
        shared.remove_reader(&connection);
        queue.find_lost();
    }
    if closed == Closed::Killed(Kill::Stop) {
        left.drain(..).for_each(|sent| sent.job.fail(Error::Stopping));
    }
    let running = left.iter().position(|sent| connection.ran_at_exit(sent.stream));
    // The job that the worker was killed for has its error already, except after a violation.
    if matches!(closed, Closed::Exited | Closed::Killed(Kill::Protocol)) && !is_from_outside {
        queue.note_crash(running.map(|at| &*left[at].job));
    }
    let last = last_run(&connection, running.map(|at| &left[at]));
    if closed == Closed::Exited && exceeded_memory {
        closed = Closed::Killed(Kill::Memory);
        observers.killed(Kill::Memory, false);
        // The job is not retried, because it would reach the limit in any worker.
        if let Some(sent) = running.and_then(|at| left.remove(at)) {
            sent.job.fail(Kill::Memory.error());
            observers.metrics.count(Kill::Memory.outcome());
        }
    }
    let lost = continue_jobs(queue, left);
    if has_left {
        queue.note_passed();
    }
    queue.note_drained();
    // The places of the jobs that fail are free.
    queue.pair();
    let exit = child.into_exit().await.unwrap_or_default();
    ExitReport { connection: &connection, closed, exit: &exit, last, peak }.publish(observers);
    for job in lost {
        let (outcome, error) = match closed {
            Closed::Killed(kill) => (kill.outcome(), kill.error()),
            Closed::Exited => ("exited", Error::Exited(exit.clone())),
        };
        observers.metrics.count(outcome);
        job.fail(error);
    }
    jobs.all.clear();
    memory::remove(cgroup).await;
}

/// Returns the job that a worker ran when it ended, and for how long.
fn last_run(connection: &Connection, running: Option<&SentJob>) -> Option<(RunningJob, Duration)> {
    let (at, noted) = connection.state().ended.clone()?;
    let running = running.map(|sent| RunningJob { name: sent.job.name.clone(), since: sent.since }).or(noted)?;
    let ran = at.saturating_duration_since(running.since);
    Some((running, ran))
}

/// Puts the jobs of an exited worker back into the queue; returns those that fail.
fn continue_jobs(queue: &Arc<Queue>, left: VecDeque<SentJob>) -> Vec<Arc<JobState>> {
    let now = Instant::now();
    let (mut back, mut lost, mut moves, mut retries) = (Vec::new(), Vec::new(), 0, 0);
    for mut sent in left {
        let is_refused = queue.is_repeat_crash(&sent.job, now);
        match sent.job.after_exit(sent.unsent.take(), is_refused, now) {
            Continuation::Move => moves += 1,
            Continuation::Retry => retries += 1,
            Continuation::Fail => {
                lost.push(sent.job);
                continue;
            }
        }
        back.push(sent.job);
    }
    queue.observers.sent_again(moves, retries);
    if !back.is_empty() {
        queue.put_back(back);
    }
    lost
}

/// Logs an exit. A macro, because the level of an event must be a constant.
macro_rules! log_exit {
    ($report:expr, $pool:expr, $level:ident, $what:literal, $cause:expr) => {{
        let ExitReport { connection, exit, last, peak, .. } = $report;
        let name = last.as_ref().map(|(running, _)| &running.name);
        let stderr = last_lines(&exit.stderr);
        tracing::$level!(
            pool = %$pool,
            worker = connection.slot,
            pid = connection.pid,
            cause = $cause,
            signal = exit.signal,
            code = exit.code,
            route = name.map(|name| &*name.label).filter(|route| !route.is_empty()),
            job = name.map(|name| name.number),
            request = name.and_then(|name| name.request_id.as_deref()),
            trace_id = name.and_then(|name| name.trace_id.as_deref()),
            ran = last.as_ref().map(|(_, ran)| field::display(Seconds(*ran))),
            age = %Seconds(connection.age()),
            jobs = connection.jobs(),
            memory_peak = peak.filter(|peak| peak.is_exact).map(|peak| peak.bytes),
            memory_peak_at_most = peak.filter(|peak| !peak.is_exact).map(|peak| peak.bytes),
            stderr = (!stderr.is_empty()).then_some(&*stderr),
            $what
        );
    }};
}

struct ExitReport<'a> {
    connection: &'a Connection,
    closed: Closed,
    exit: &'a Exit,
    /// The job that ran, and for how long.
    last: Option<(RunningJob, Duration)>,
    peak: Option<MemoryPeak>,
}

impl ExitReport<'_> {
    fn publish(&self, observers: &Observers) {
        let pool = &observers.pool;
        match self.closed {
            Closed::Killed(kill) if self.closed.is_polite() => {
                let ExitReport { connection: Connection { slot, pid, .. }, exit, .. } = self;
                tracing::debug!(%pool, worker = slot, pid, cause = kill.name(), %exit, "a worker was ended");
            }
            Closed::Killed(kill) => {
                observers.metrics.killed(kill.name());
                log_exit!(self, pool, warn, "a worker was killed", kill.name());
            }
            Closed::Exited => {
                let cause = self.exit.cause();
                observers.metrics.exited(&cause);
                observers.count(|c| *c.exits.entry(cause.to_string()).or_default() += 1);
                log_exit!(self, pool, error, "a worker exited", &*cause);
            }
        }
    }
}

/// Returns the last lines that a worker wrote, as one line.
pub(crate) fn last_lines(stderr: &str) -> String {
    let lines: Vec<_> = stderr.trim_end().lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(STDERR_LINES_LOGGED)..];
    let last = last.iter().map(|line| event::text(line)).collect::<Vec<_>>().join(" | ");
    let mut last = printable(last.as_bytes());
    let excess = last.len().saturating_sub(STDERR_LINES_LOGGED_BYTES);
    let start = (excess..=last.len()).find(|at| last.is_char_boundary(*at)).unwrap_or_default();
    last.split_off(start)
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::pool::connection::{Awaited, tests::job};

    #[test]
    fn the_jobs_of_an_exited_worker_fail_if_the_runtime_shuts_down() {
        let left = job("left", None, true);
        let awaited = Awaited::Head(None);
        let since = Instant::now();
        let sent = SentJob { job: Arc::clone(&left), unsent: None, stream: 1, since, awaited, is_reported: false };
        drop(LeftJobs::new(VecDeque::from([sent])));
        let reply = left.poll_reply(&Context::from_waker(Waker::noop()));
        assert!(matches!(reply, Poll::Ready(Err(Error::Stopping))));
    }

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
