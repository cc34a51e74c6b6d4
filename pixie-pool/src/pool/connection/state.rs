//! The state of one connection behind its lock: the protocol, the sent jobs and their times.
//!
//! Owns the decision when a job has reached a time limit and its worker is killed. Leaves the socket to
//! `connection`, and how many jobs a worker may have to `pipelining`. Invariants: the sent jobs are those of
//! the protocol, in the same order. Only the first job of a worker can be the reason to kill it.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::Waker,
    time::{Duration, Instant},
};

use bytes::BytesMut;

use crate::{
    config::Config,
    platform::LifelineHolder,
    pool::connection::{
        job_state::{JobName, JobState},
        kill::{Closed, Kill},
        pipelining::{self, Pipeline},
        usage::{CpuMeter, Recycling, Throughput},
    },
    protocol::{frame::Start, parent::Parent},
};

/// A job that was sent to the worker and has not ended.
#[derive(Debug)]
pub(crate) struct SentJob {
    pub(crate) job: Arc<JobState>,
    /// The request, if the socket refused it: then the worker cannot have received it.
    pub(crate) unsent: Option<Start>,
    pub(crate) stream: u32,
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

/// The result of checking the times of all jobs of a connection.
#[derive(Default)]
pub(crate) struct Expired {
    /// When to check again.
    pub(crate) due: Option<Instant>,
    /// The connection was closed for this cause, because of this job.
    pub(crate) kill: Option<(Kill, SentJob)>,
    /// Pipelined jobs past their deadline.
    pub(crate) late: Vec<Arc<JobState>>,
    /// A job to report as slow.
    pub(crate) slow: Option<RunningJob>,
}

impl SentJob {
    /// Returns when the first job reaches its time limit, and the cause of the kill then.
    fn due(&mut self, now: Instant, since: Instant, idle: Duration) -> Option<(Kill, Instant)> {
        match &mut self.awaited {
            Awaited::Head(deadline) => deadline.map(|at| (Kill::Deadline, at)),
            // A pipelined job gets its grace period after it becomes the first.
            Awaited::CanceledEnd(at, grace) => Some((Kill::Cancel, (*at).max(since) + *grace)),
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

    fn deadline(&self) -> Option<Instant> {
        match self.awaited {
            Awaited::Head(deadline) => deadline,
            Awaited::More(_) | Awaited::CanceledEnd(..) => None,
        }
    }

    /// Returns whether a worker whose last started job has this stream number started this job.
    pub(crate) fn was_started(&self, last_started: Option<u32>) -> bool {
        // Stream numbers wrap around: within half of their range, a larger one came later.
        last_started.is_none_or(|last| last.wrapping_sub(self.stream) <= u32::MAX / 2)
    }

    /// Returns whether a violation may belong to this job, the first one. A mark of 0 is not trusted.
    pub(crate) fn may_have_run(&self, last_started: Option<u32>) -> bool {
        last_started == Some(0) || self.was_started(last_started)
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
    pub(crate) throughput: Throughput,
    pub(crate) pipeline: Pipeline,
    pub(crate) recycling: Recycling,
    pub(crate) cpu_meter: CpuMeter,
}

impl ConnectionState {
    pub(crate) fn new(
        protocol: Parent,
        lifeline: Option<LifelineHolder>,
        recycling: Recycling,
        cpu_meter: CpuMeter,
    ) -> Self {
        let now = Instant::now();
        ConnectionState {
            protocol,
            output: BytesMut::new(),
            sent: VecDeque::new(),
            reader: None,
            closed: None,
            ended: None,
            throughput: Throughput::new(now),
            pipeline: Pipeline::new(lifeline, now),
            recycling,
            cpu_meter,
        }
    }

    /// Closes the connection and wakes the reading task, which ends the process.
    pub(crate) fn close(&mut self, closed: Closed) {
        if self.closed.is_none() {
            self.closed = Some(closed);
            self.ended = Some((Instant::now(), self.running()));
        }
        self.wake_reader();
    }

    pub(crate) fn wake_reader(&self) {
        if let Some(reader) = &self.reader {
            reader.wake_by_ref();
        }
    }

    pub(crate) fn running(&self) -> Option<RunningJob> {
        let since = self.throughput.first_since;
        self.sent.front().map(|sent| RunningJob { name: sent.job.name.clone(), since })
    }

    pub(crate) fn is_recycled(&self, now: Instant) -> bool {
        self.recycling.is_reached(self.throughput.jobs, now)
    }

    /// Closes the connection if the first job has reached a time limit, and returns when to check again.
    ///
    /// The deadline of a job is enforced here: the closed connection wakes the task that kills the process.
    pub(crate) fn expire(&mut self, pid: u32, now: Instant, config: &Config) -> Expired {
        let mut expired = Expired::default();
        if self.closed.is_some() {
            return expired;
        }
        self.find_slow(now, config.slow_after, &mut expired);
        let since = self.throughput.first_since;
        let timed = self.sent.front_mut().and_then(|first| first.due(now, since, config.stream_idle_timeout));
        let metered = if self.sent.is_empty() { None } else { self.cpu_meter.check(pid, now) };
        let first = [timed, metered].into_iter().flatten().min_by_key(|(_, due)| *due);
        match first {
            Some((kill, due)) if due <= now => {
                self.close(Closed::Killed(kill));
                expired.kill = self.sent.pop_front().map(|sent| (kill, sent));
            }
            _ => {
                expired.due = earlier(expired.due, first.map(|(_, due)| due));
                self.expire_pipelined(now, config.cancel_grace, &mut expired);
            }
        }
        expired
    }

    fn find_slow(&mut self, now: Instant, slow_after: Option<Duration>, expired: &mut Expired) {
        let Some(first) = self.sent.front_mut() else {
            return;
        };
        let Some(after) = slow_after.filter(|_| matches!(first.awaited, Awaited::Head(_)) && !first.is_reported) else {
            return;
        };
        let due = self.throughput.first_since + after;
        if due > now {
            expired.due = Some(due);
        } else {
            first.is_reported = true;
            expired.slow = self.running();
        }
    }

    /// Answers pipelined jobs past their deadline and withdraws the others if the first job takes too long.
    fn expire_pipelined(&mut self, now: Instant, cancel_grace: Duration, expired: &mut Expired) {
        // The worker may have started these jobs already, so they can only be canceled.
        let is_late = |sent: &&SentJob| sent.deadline().is_some_and(|at| at <= now);
        let late: Vec<u32> = self.sent.iter().skip(1).filter(is_late).map(|sent| sent.stream).collect();
        for stream in late {
            self.cancel(stream, now, cancel_grace);
            expired.late.extend(self.sent.iter().find(|s| s.stream == stream).map(|sent| Arc::clone(&sent.job)));
        }
        if self.withdraw_due().is_some_and(|due| due <= now) {
            if self.protocol.is_withdrawing {
                return self.close(Closed::Killed(Kill::Stuck));
            }
            self.protocol.withdraw(&mut self.output);
            self.pipeline.withdraw(now);
        }
        let deadline = self.sent.iter().skip(1).filter_map(SentJob::deadline).min();
        expired.due = earlier(earlier(expired.due, self.withdraw_due()), deadline);
    }

    /// Returns when to withdraw the pipelined jobs, or after that, when the worker must have returned them.
    pub(crate) fn withdraw_due(&self) -> Option<Instant> {
        let is_withdrawn = self.protocol.is_withdrawing;
        let at = if is_withdrawn { self.pipeline.answer_due() } else { pipelining::withdraw_due(&self.throughput) };
        (self.sent.len() > 1).then_some(at)
    }

    /// Returns how many jobs may be sent now: more than one only if the worker's jobs are known to be short.
    pub(crate) fn room(&self, now: Instant) -> usize {
        let may_pipeline = !self.cpu_meter.is_on() && !self.protocol.is_withdrawing;
        let limit = if may_pipeline { self.pipeline.jobs_max(&self.throughput) } else { 1 };
        let Some(first) = self.sent.front() else {
            return limit;
        };
        let is_prompt = now < pipelining::withdraw_due(&self.throughput) && matches!(first.awaited, Awaited::Head(_));
        // Half of the jobs must end before more are sent; otherwise each job would soon cost one write again.
        let has_room = is_prompt && first.job.may_pipeline() && self.sent.len() <= limit / 2;
        if has_room { limit - self.sent.len() } else { 0 }
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
