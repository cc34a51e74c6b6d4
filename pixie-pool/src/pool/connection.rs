//! The parent's end of the connection to one worker.
//!
//! Owns the socket's write half, for `writing`, and the lock around the connection's state. Submitters write;
//! the worker's task in `process::worker` reads. Invariant: a closed connection writes and accepts nothing.

pub(crate) mod attempts;
mod job_state;
mod kill;
mod pieces;
mod shared;
mod state;
mod upload;
mod usage;
mod writing;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::BytesMut;
use tokio::net::unix::OwnedWriteHalf;

use crate::{
    config::{CHUNK_BYTES_MAX, Config, STEP_INTERVAL, STEP_MAX},
    platform::{self, Claims, ProcessWatch},
    pool::metrics::Metrics,
    protocol::{
        encode,
        frame::{Violation, slot_of},
        parent::Event,
    },
    sandbox::SandboxLevel,
    share,
    snapshot::MemoryLimit,
};

pub(crate) use self::{
    attempts::Continuation,
    job_state::{JobName, JobState, Location, ReplyStart},
    kill::{Closed, Kill},
    shared::{Claimed, Queued, SharedQueue, SharedSend, takes_from_queue},
    state::{Awaited, ConnectionState, Expired, Late, RunningJob, SentJob, earlier},
    upload::Upload,
    usage::{CpuMeter, Recycling, jobs_max},
};

/// Bytes of room in the input buffer before each read: a quarter of a chunk, so that reads are few.
pub(crate) const READ_BYTES: usize = CHUNK_BYTES_MAX / 4;

/// The connection to one worker. Two values are equal if they are the same connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) slot: usize,
    pub(crate) pid: u32,
    /// The parts of the sandbox that the worker reported as active.
    pub(crate) sandbox: SandboxLevel,
    pub(crate) memory_limit: Option<MemoryLimit>,
    ready_since: Instant,
    writer: OwnedWriteHalf,
    metrics: Arc<Metrics>,
    process: Process,
    state: Mutex<ConnectionState>,
}

/// The process at the other end; nothing is known about a thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Process {
    pub(crate) watch: Option<Arc<ProcessWatch>>,
    /// What it has claimed of the jobs that all workers read; `None` if jobs are leased.
    pub(crate) claims: Option<Arc<Claims>>,
}

pub(crate) enum Sent {
    /// The job was sent; its times have to be checked at that time.
    Done(Option<Instant>),
    /// The job has ended or was canceled.
    Over,
    Closed(Arc<JobState>),
}

#[derive(Debug)]
pub(crate) enum MemoryCheck {
    Fine,
    Large,
    /// The connection was closed; this job ran.
    Exceeded(Option<Arc<JobState>>),
}

/// An event of the worker, the job that it belongs to with its stream, and when that was started.
pub(crate) type Delivery = (Arc<JobState>, u32, Event, Instant);

impl PartialEq for Connection {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Connection {
    pub(crate) fn new(
        slot: usize,
        pid: u32,
        writer: OwnedWriteHalf,
        state: ConnectionState,
        memory_limit: Option<MemoryLimit>,
        metrics: Arc<Metrics>,
        process: Process,
    ) -> Arc<Self> {
        let (sandbox, ready_since) = (state.protocol.sandbox, Instant::now());
        let state = Mutex::new(state);
        Arc::new(Connection { slot, pid, sandbox, memory_limit, ready_since, writer, metrics, process, state })
    }

    /// Locks the state; only briefly, and not while another connection is locked.
    pub(crate) fn state(&self) -> MutexGuard<'_, ConnectionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a job to this worker, which is leased for it. A canceled job is dropped.
    pub(crate) fn send(self: &Arc<Self>, job: Arc<JobState>, now: Instant) -> Sent {
        let mut state = self.state();
        self.check_unread(&mut state);
        if state.closed.is_some() {
            return Sent::Closed(job);
        }
        let stream = state.protocol.next_stream();
        let Some((start, deadline)) = job.dispatch(now, self, stream) else {
            return Sent::Over;
        };
        state.cpu_meter.begin(self.pid);
        let ConnectionState { protocol, output, sent, .. } = &mut *state;
        protocol.begin(stream, &start, output);
        let awaited = Awaited::Head(deadline);
        sent.push_back(SentJob { job, unsent: Some(start), stream, since: now, awaited, is_reported: false });
        if self.write(&mut state).is_ok() {
            state.sent.iter_mut().for_each(|sent| sent.unsent = None);
        }
        Sent::Done(earlier(deadline, state.cpu_meter.due(now)))
    }

    /// Tells the worker to read the jobs that all workers read.
    pub(crate) fn open(&self) {
        let mut state = self.state();
        state.is_open = true;
        self.put(&mut state, |_, output| encode::put_open(output));
    }

    /// Tells the worker to exit after its job, at once if it cannot have one.
    pub(crate) fn retire(&self) {
        let mut state = self.state();
        if !state.is_open {
            state.close(Closed::Killed(Kill::Retire));
            return;
        }
        state.retiring_since = Some(Instant::now());
        self.put(&mut state, |_, output| encode::put_retire(output));
        drop(state);
        if self.take_sleeper() {
            self.wake();
        }
    }

    /// Notes the job that the worker runs, if it has claimed it by itself; returns when to check its times.
    pub(crate) fn adopt_running(self: &Arc<Self>, shared: &SharedQueue) -> Option<Instant> {
        let claims = self.process.claims.as_ref()?;
        let mut state = self.state();
        if state.closed.is_some() {
            return None;
        }
        let claimed = shared.running(claims)?;
        let due = self.adopt(&mut state, claimed, false, shared.cancel_grace);
        let _ = self.write(&mut state);
        due
    }

    /// Takes in a job that the worker has claimed; with `is_over`, it has ended before the one that runs.
    fn adopt(
        self: &Arc<Self>,
        state: &mut ConnectionState,
        claimed: Claimed,
        is_over: bool,
        grace: Duration,
    ) -> Option<Instant> {
        let (stream, is_ticket, claim) = (claimed.stream, claimed.is_ticket, claimed.claim);
        let (sent, deadline) = self.own(claimed);
        let is_canceled = sent.job.is_canceled();
        state.protocol.adopt(stream, sent.job.extension_ms, is_ticket, is_over);
        if is_over {
            state.sent.push_front(sent);
            return None;
        }
        state.sent.push_back(sent);
        state.cpu_meter.begin_at(claim.cpu);
        let now = Instant::now();
        let grace_due = (is_canceled && state.cancel(stream, now, grace)).then(|| now + grace);
        earlier(earlier(deadline, state.cpu_meter.due(claim.at)), grace_due)
    }

    /// Makes a job that the worker has claimed one of this connection; returns it with its deadline.
    fn own(self: &Arc<Self>, claimed: Claimed) -> (SentJob, Option<Instant>) {
        let Claimed { job, stream, claim, .. } = claimed;
        let deadline = job.claimed(self, stream, claim.at);
        let awaited = Awaited::Head(deadline);
        (SentJob { job, unsent: None, stream, since: claim.at, awaited, is_reported: false }, deadline)
    }

    /// Returns whether the worker runs a job that it has claimed.
    pub(crate) fn is_busy(&self) -> bool {
        self.process.claims.as_ref().is_some_and(|claims| claims.running().is_some())
    }

    /// Returns whether this is the worker with this number in the queue.
    pub(crate) fn is_reader(&self, number: u16) -> bool {
        self.process.claims.as_ref().is_some_and(|claims| claims.reader() == number)
    }

    /// Returns whether the worker sleeps until there is a job in the queue, and is to be woken now.
    pub(crate) fn take_sleeper(&self) -> bool {
        self.process.claims.as_ref().is_some_and(|claims| claims.take_sleeper())
    }

    /// Wakes the worker, which slept.
    pub(crate) fn wake(&self) {
        self.process.claims.iter().for_each(|claims| claims.wake());
    }

    /// Returns whether the worker has claimed the job with this number.
    pub(crate) fn has_claimed(&self, slot: usize, number: u64) -> bool {
        self.process.claims.as_ref().is_some_and(|claims| claims.get(slot, number).is_some())
    }

    /// Returns whether an exited worker ran this job, as far as is known.
    pub(crate) fn ran_at_exit(&self, stream: u32) -> bool {
        self.process.claims.as_ref().is_none_or(|claims| claims.running() == Some(slot_of(stream)))
    }

    /// Removes the jobs that an exited worker had claimed and that were not noted here.
    pub(crate) fn claimed_at_exit(self: &Arc<Self>, shared: &SharedQueue) -> Vec<SentJob> {
        let all = self.process.claims.as_ref().map(|claims| shared.all_claimed(claims)).unwrap_or_default();
        all.into_iter().map(|claimed| self.own(claimed).0).collect()
    }

    /// Closes the connection; the reading task then ends the process. Returns why it was closed first.
    pub(crate) fn close(&self, closed: Closed) -> Closed {
        self.state().close(closed)
    }

    /// Kills the process; returns the job that it ran.
    pub(crate) fn kill(&self, kill: Kill) -> Option<Arc<JobState>> {
        let mut state = self.state();
        if state.closed.is_some() {
            return None;
        }
        self.kill_with(&mut state, kill);
        state.sent.pop_back().map(|sent| sent.job)
    }

    /// Closes the connection and kills the process, without waiting for the reading task.
    fn kill_with(&self, state: &mut ConnectionState, kill: Kill) {
        // Under the lock, because the process is reaped only after the lock was taken to close the
        // connection.
        if let Some(watch) = self.process.watch.as_ref().filter(|_| state.closed.is_none()) {
            // Read before the kill, because after the exit the peak is less exact.
            state.peak_at_kill = platform::peak_bytes(self.pid);
            watch.kill();
        }
        state.close(Closed::Killed(kill));
    }

    /// Closes the socket and the lifeline, which tells the worker to exit.
    pub(crate) fn hang_up(&self) {
        platform::hang_up(self.writer.as_ref());
        self.state().lifeline = None;
    }

    /// Takes the jobs that a closed connection leaves.
    pub(crate) fn take_sent(&self) -> VecDeque<SentJob> {
        std::mem::take(&mut self.state().sent)
    }

    /// Kills the worker if its job has reached a time limit, and returns when to check again.
    ///
    /// What has arrived is read before the job is judged: its reply may be there since before the limit.
    ///
    /// With `has_waiting`, a job waits for a worker since the last check at least.
    pub(crate) fn expire(&self, now: Instant, has_waiting: bool, config: &Config) -> Expired {
        let (mut state, mut expired) = (self.state(), Expired::default());
        if state.closed.is_some() {
            return expired;
        }
        if self.is_stuck(&mut state, has_waiting, now) {
            self.kill_with(&mut state, Kill::Stuck);
            return expired;
        }
        match state.find_slow(now, config) {
            Some(Ok(running)) => expired.slow = Some(running),
            Some(Err(due)) => expired.due = Some(due),
            None => {}
        }
        let limit = state.limit(self.pid, now, config.stream_idle_timeout);
        match limit {
            Some((_, due)) if due <= now && self.may_have_ended(&mut state, due, now) => {
                expired.due = earlier(expired.due, Some(now + STEP_INTERVAL));
            }
            Some((Kill::Deadline | Kill::Idle, due)) if due <= now && self.awaits_body(&state) => {
                expired.stalled = self.end_stalled(&mut state, now, config.cancel_grace);
                expired.due = earlier(expired.due, Some(now + config.cancel_grace));
            }
            Some((kill, due)) if due <= now => {
                self.kill_with(&mut state, kill);
                expired.kill = state.sent.pop_back().map(|sent| (kill, sent));
            }
            _ => {
                state.late = None;
                expired.due = earlier(expired.due, limit.map(|(_, due)| due));
            }
        }
        expired
    }

    /// Returns whether the reply of the running job, which was due, may be on the way.
    ///
    /// Without an end only if this process does not read, such as while the runtime is blocked: a worker that
    /// sends more and more bytes does not escape.
    fn may_have_ended(&self, state: &mut ConnectionState, due: Instant, now: Instant) -> bool {
        let receives = state.receives;
        let late = state.late.get_or_insert(Late { since: now, receives, unread_at: None });
        // This process was paused, so the reading task may be between the socket and this lock.
        if late.since == now && now > due + STEP_INTERVAL {
            return true;
        }
        let has_arrived = platform::has_arrived(self.writer.as_ref());
        if has_arrived && receives == late.receives {
            late.unread_at = Some(now);
            return true;
        }
        let is_being_read = receives == late.receives && late.unread_at.is_some_and(|at| now < at + STEP_MAX);
        let slot = state.sent.back().map(|sent| slot_of(sent.stream));
        let has_ended = self.process.claims.as_ref().is_some_and(|claims| claims.running() != slot);
        is_being_read || (has_arrived || has_ended) && now < late.since + STEP_MAX
    }

    /// Returns whether the running job has read all that has arrived of its body.
    fn awaits_body(&self, state: &ConnectionState) -> bool {
        state.sent.back().is_some_and(|sent| state.protocol.awaits_body(sent.stream))
    }

    /// Cancels the running job, whose worker is not at fault, and returns it.
    fn end_stalled(&self, state: &mut ConnectionState, now: Instant, grace: Duration) -> Option<Arc<JobState>> {
        let (job, stream) = state.sent.back().map(|sent| (Arc::clone(&sent.job), sent.stream))?;
        state.cancel(stream, now, grace);
        // The reading task handles a failed write.
        let _ = self.write(state);
        Some(job)
    }

    /// Returns whether the worker should have taken its next step long ago: claimed a job that it has read or
    /// that waits, or exited.
    fn is_stuck(&self, state: &mut ConnectionState, has_waiting: bool, now: Instant) -> bool {
        // A claim does not count, because a job that runs was adopted before: a worker that was stopped
        // behind its reply does not say that it has ended the job.
        if self.process.claims.is_none() || !state.sent.is_empty() {
            return false;
        }
        let is_behind = has_waiting || state.retiring_since.is_some();
        let has_arrived = || platform::has_arrived(self.writer.as_ref());
        if !is_behind || !state.is_open || has_arrived() {
            state.behind_since = None;
            return false;
        }
        let (since, jobs) = *state.behind_since.get_or_insert((now, state.jobs));
        if jobs != state.jobs {
            state.behind_since = Some((now, state.jobs));
        }
        jobs == state.jobs && now > since + STEP_MAX
    }

    /// Compares the worker's memory with the limits; closes the connection or has the worker replaced.
    pub(crate) fn check_memory(&self, memory: Option<u64>, recycle_memory: Option<u64>) -> MemoryCheck {
        // In a cgroup, the kernel enforces the limit.
        let memory = memory.filter(|_| self.memory_limit == Some(MemoryLimit::Process));
        if memory.or(recycle_memory).is_none() {
            return MemoryCheck::Fine;
        }
        let Ok(bytes) = share::own_resident_bytes(self.pid) else {
            return MemoryCheck::Fine;
        };
        let mut state = self.state();
        if memory.is_some_and(|max| bytes > max) && state.closed.is_none() {
            drop(state);
            return MemoryCheck::Exceeded(self.kill(Kill::Memory));
        }
        if recycle_memory.is_some_and(|max| bytes > max) {
            state.recycling.is_large = true;
            return MemoryCheck::Large;
        }
        MemoryCheck::Fine
    }

    /// Decodes all complete frames in `input`; closes the connection if the worker broke the protocol.
    /// `shared` has the jobs that the worker may have claimed.
    ///
    /// Returns when the reply of a job began to arrive in pieces: from then on, another timeout counts.
    pub(crate) fn receive(
        self: &Arc<Self>,
        input: &mut BytesMut,
        shared: Option<&SharedQueue>,
        deliveries: &mut Vec<Delivery>,
    ) -> Result<Option<Instant>, Violation> {
        let mut state = self.state();
        state.receives += 1;
        let (mut now, mut is_streaming) = (None, false);
        loop {
            if let (Some(stream), Some(shared), Some(claims)) =
                (state.protocol.unknown(input), shared, &self.process.claims)
                && let Some(claimed) = shared.claimed(stream, claims)
            {
                // The frames of jobs come in the order of the jobs, so this one was before all others here.
                let is_over = !state.sent.is_empty();
                self.adopt(&mut state, claimed, is_over, shared.cancel_grace);
            }
            // Closed under the lock: a job that is being sent has no part in the violation.
            let received = state.protocol.receive(input);
            let Some((stream, event)) = received.inspect_err(|_| self.kill_with(&mut state, Kill::Protocol))? else {
                break;
            };
            // A job that has reached a limit was removed here.
            let Some(at) = state.sent.iter().position(|sent| sent.stream == stream) else {
                continue;
            };
            let now = *now.get_or_insert_with(Instant::now);
            if event.is_last() {
                let Some(sent) = state.sent.remove(at) else {
                    continue;
                };
                let time = now.saturating_duration_since(sent.since);
                self.metrics.ended(event.outcome(), time);
                state.jobs += 1;
                state.job_time = if state.jobs == 1 { time } else { state.job_time * 7 / 8 + time / 8 };
                deliveries.push((sent.job, stream, event, sent.since));
                continue;
            }
            let sent = &mut state.sent[at];
            match event {
                Event::Extended(milliseconds) => sent.extend(Duration::from_millis(milliseconds.into())),
                Event::Fetch => {
                    let job = Arc::clone(&sent.job);
                    let ConnectionState { protocol, output, .. } = &mut *state;
                    match job.fetch(now) {
                        Some(start) => protocol.begin(stream, &start, output),
                        // The worker waits for the job or for this.
                        None => drop(protocol.cancel(stream, output)),
                    }
                    // The reading task handles a failed write.
                    let _ = self.write(&mut state);
                }
                event => {
                    if matches!(event, Event::Reply(_) | Event::Data(_)) {
                        is_streaming |= matches!(sent.awaited, Awaited::Head(_));
                        sent.awaited = Awaited::More(now);
                    }
                    deliveries.push((Arc::clone(&sent.job), stream, event, sent.since));
                }
            }
        }
        Ok(now.filter(|_| is_streaming))
    }

    /// Returns how many jobs the worker has ended.
    pub(crate) fn jobs(&self) -> u64 {
        self.state().jobs
    }

    /// Returns how long the last jobs took on average, or longer if the running one does.
    pub(crate) fn job_time(&self, now: Instant) -> Duration {
        let state = self.state();
        let running = state.running().map(|running| now.saturating_duration_since(running.since));
        running.unwrap_or_default().max(state.job_time)
    }

    pub(crate) fn age(&self) -> Duration {
        self.ready_since.elapsed()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
pub(crate) mod tests;
