//! The state of one connection behind its lock: the protocol, the worker's jobs and their times.
//!
//! Owns the decision when a job has reached a time limit. Leaves the socket and the kill to `connection`.
//! Invariants: the jobs are those of the protocol, in the same order. The last one runs; an earlier one has
//! ended, and its reply is arriving.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::Waker,
    time::{Duration, Instant},
};

use bytes::BytesMut;

use crate::{
    config::Config,
    pool::connection::{
        job_state::{JobName, JobState},
        kill::{Closed, Kill},
        usage::{CpuMeter, Recycling},
    },
    protocol::{frame::Start, parent::Parent},
    share::lifeline::Lifeline,
};

/// A job that was sent to the worker, or claimed by it, and has not ended.
#[derive(Debug)]
pub(crate) struct SentJob {
    pub(crate) job: Arc<JobState>,
    /// The request, if the socket refused it: then the worker cannot have received it.
    pub(crate) unsent: Option<Start>,
    pub(crate) stream: u32,
    /// When it was sent or claimed.
    pub(crate) since: Instant,
    pub(crate) awaited: Awaited,
    /// Whether the job was reported as slow.
    pub(crate) is_reported: bool,
}

/// What the pool waits for, and since or until when.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Awaited {
    /// The head of the reply, until the deadline.
    Head(Option<Instant>),
    /// More of the reply, since the last progress.
    More(Instant),
    /// The end of a canceled job, since the cancellation and for this grace period.
    CanceledEnd(Instant, Duration),
}

/// The job that a worker runs, and since when.
#[derive(Clone, Debug)]
pub(crate) struct RunningJob {
    pub(crate) name: JobName,
    pub(crate) since: Instant,
}

/// A job that has reached a limit, and may have ended before it.
#[derive(Debug)]
pub(crate) struct Late {
    pub(crate) since: Instant,
    /// How often what the worker has sent was read before.
    pub(crate) receives: u64,
    /// When something was last seen that was not read since then. It may be read by now, and not handled.
    pub(crate) unread_at: Option<Instant>,
}

/// The result of checking the times of a connection's job.
#[derive(Default)]
pub(crate) struct Expired {
    /// When to check again.
    pub(crate) due: Option<Instant>,
    /// The connection was closed for this cause, because of this job.
    pub(crate) kill: Option<(Kill, SentJob)>,
    /// A job that was canceled because its body did not arrive in time.
    pub(crate) stalled: Option<Arc<JobState>>,
    /// A job to report as slow.
    pub(crate) slow: Option<RunningJob>,
}

impl SentJob {
    /// Returns when the job reaches its time limit, and the cause of the kill then.
    fn due(&mut self, now: Instant, idle: Duration) -> Option<(Kill, Instant)> {
        match &mut self.awaited {
            Awaited::Head(deadline) => deadline.map(|at| (Kill::Deadline, at)),
            Awaited::CanceledEnd(at, grace) => Some((Kill::Cancel, *at + *grace)),
            Awaited::More(at) => {
                // A slow reader is not the worker's fault.
                if self.job.is_reader_behind() {
                    *at = now;
                }
                Some((Kill::Idle, *at + idle))
            }
        }
    }

    /// Adds time to the deadline; the timer that was armed for the old deadline finds the new one.
    pub(crate) fn extend(&mut self, by: Duration) {
        if let Awaited::Head(Some(deadline)) = &mut self.awaited {
            *deadline += by;
        }
    }
}

#[derive(Debug)]
pub(crate) struct ConnectionState {
    pub(crate) protocol: Parent,
    /// Encoded bytes that the socket has not accepted yet.
    pub(crate) output: BytesMut,
    pub(crate) sent: VecDeque<SentJob>,
    pub(crate) reader: Option<Waker>,
    pub(crate) closed: Option<Closed>,
    /// When the connection was closed, and the job that ran then.
    pub(crate) ended: Option<(Instant, Option<RunningJob>)>,
    /// Jobs that the worker has ended.
    pub(crate) jobs: u64,
    /// How long the last of them took, on a moving average.
    pub(crate) job_time: Duration,
    /// The process exits when this is dropped. `None` for a thread.
    pub(crate) lifeline: Option<Arc<Lifeline>>,
    /// Whether the worker was told to read the queue that all workers read.
    pub(crate) is_open: bool,
    /// Since when the worker is to exit after its job.
    pub(crate) retiring_since: Option<Instant>,
    /// Since when the worker was seen without a job although it should have one, and how many it had ended.
    pub(crate) behind_since: Option<(Instant, u64)>,
    /// What is known of the running job, which is late, while its reply may be on the way.
    pub(crate) late: Option<Late>,
    /// How often what the worker has sent was read.
    pub(crate) receives: u64,
    /// The most memory that the process had used before it was killed.
    pub(crate) peak_at_kill: Option<u64>,
    pub(crate) recycling: Recycling,
    pub(crate) cpu_meter: CpuMeter,
}

impl ConnectionState {
    pub(crate) fn new(
        protocol: Parent,
        lifeline: Option<Arc<Lifeline>>,
        recycling: Recycling,
        cpu_meter: CpuMeter,
    ) -> Self {
        ConnectionState {
            protocol,
            output: BytesMut::new(),
            sent: VecDeque::new(),
            reader: None,
            closed: None,
            ended: None,
            jobs: 0,
            job_time: Duration::ZERO,
            lifeline,
            is_open: false,
            retiring_since: None,
            behind_since: None,
            late: None,
            receives: 0,
            peak_at_kill: None,
            recycling,
            cpu_meter,
        }
    }

    /// Closes the connection and wakes the reading task, which ends the process. Returns why it was closed
    /// first.
    pub(crate) fn close(&mut self, closed: Closed) -> Closed {
        self.wake_reader();
        if let Some(closed) = self.closed {
            return closed;
        }
        // A worker that was told to exit has done so, unless it had a job.
        let is_retired = closed == Closed::Exited && self.retiring_since.is_some() && self.sent.is_empty();
        let closed = if is_retired { Closed::Killed(Kill::Retire) } else { closed };
        self.closed = Some(closed);
        self.ended = Some((Instant::now(), self.running()));
        closed
    }

    /// Returns why the connection was closed, when all that the worker has sent was read: a worker that has
    /// ended its last job may have exited before it was told to.
    pub(crate) fn why_closed(&self, closed: Closed) -> Closed {
        let is_over = self.sent.is_empty() && self.recycling.is_used_up(self.jobs);
        if closed == Closed::Exited && is_over { Closed::Killed(Kill::Retire) } else { closed }
    }

    pub(crate) fn wake_reader(&self) {
        if let Some(reader) = &self.reader {
            reader.wake_by_ref();
        }
    }

    pub(crate) fn running(&self) -> Option<RunningJob> {
        self.sent.back().map(|sent| RunningJob { name: sent.job.name.clone(), since: sent.since })
    }

    pub(crate) fn is_recycled(&self, now: Instant) -> bool {
        self.recycling.is_reached(self.jobs, now)
    }

    /// Returns the cause and the time at which the running job reaches its next limit.
    pub(crate) fn limit(&mut self, pid: u32, now: Instant, idle: Duration) -> Option<(Kill, Instant)> {
        let timed = self.sent.back_mut()?.due(now, idle);
        [timed, self.cpu_meter.check(pid, now)].into_iter().flatten().min_by_key(|(_, due)| *due)
    }

    /// Returns the running job, once, if it is slow, or else when it will be.
    pub(crate) fn find_slow(&mut self, now: Instant, config: &Config) -> Option<Result<RunningJob, Instant>> {
        let after = config.slow_after?;
        let last = self.sent.back_mut()?;
        if last.is_reported || !matches!(last.awaited, Awaited::Head(_)) {
            return None;
        }
        let due = last.since + after;
        if due > now {
            return Some(Err(due));
        }
        last.is_reported = true;
        self.running().map(Ok)
    }

    /// Tells the worker that a job is canceled; false if the job has ended or was canceled before.
    pub(crate) fn cancel(&mut self, stream: u32, now: Instant, grace: Duration) -> bool {
        let Some(sent) = self.sent.iter_mut().find(|sent| sent.stream == stream) else {
            return false;
        };
        let is_first_time = self.protocol.cancel(stream, &mut self.output);
        if is_first_time {
            sent.awaited = Awaited::CanceledEnd(now, grace);
        }
        is_first_time
    }
}

pub(crate) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    [one, other].into_iter().flatten().min()
}
