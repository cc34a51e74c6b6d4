//! The parent's end of the connection to one worker.
//!
//! Owns the socket's write half and the lock around the connection's state. Submitters write here; the
//! worker's task in `process::worker` reads. Invariant: a closed connection writes and accepts nothing.

pub(crate) mod attempts;
mod job_state;
mod kill;
mod pieces;
mod pipelining;
mod state;
mod upload;
mod usage;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::{Buf as _, BytesMut};
use tokio::net::unix::OwnedWriteHalf;

use crate::{
    config::{CHUNK_BYTES_MAX, Config, UNREAD_BYTES_MAX},
    platform,
    pool::metrics::Metrics,
    protocol::{
        frame::Violation,
        parent::{Event, Parent},
    },
    sandbox::SandboxLevel,
    snapshot::MemoryLimit,
};

pub(crate) use self::{
    attempts::Continuation,
    job_state::{JobName, JobState, ReplyStart},
    kill::{Closed, Kill},
    state::{Awaited, ConnectionState, Expired, RunningJob, SentJob, earlier},
    upload::Upload,
    usage::{CpuMeter, Recycling, Throughput},
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
    state: Mutex<ConnectionState>,
}

pub(crate) enum Sent {
    /// This many jobs were sent; their times have to be checked at that time.
    Jobs(usize, Option<Instant>),
    Closed,
}

#[derive(Debug)]
pub(crate) enum MemoryCheck {
    Fine,
    Large,
    /// The connection was closed; this job ran.
    Exceeded(Option<Arc<JobState>>),
}

/// An event of the worker and the job that it belongs to.
pub(crate) type Delivery = (Arc<JobState>, Event);

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
    ) -> Arc<Self> {
        let (sandbox, ready_since) = (state.protocol.sandbox, Instant::now());
        let state = Mutex::new(state);
        Arc::new(Connection { slot, pid, sandbox, memory_limit, ready_since, writer, metrics, state })
    }

    /// Locks the state; only briefly, and not while another connection is locked.
    pub(crate) fn state(&self) -> MutexGuard<'_, ConnectionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends jobs in one write, from the task that leased or reads this worker. Canceled jobs are dropped.
    pub(crate) fn send(self: &Arc<Self>, batch: &mut Vec<Arc<JobState>>, now: Instant) -> Sent {
        let mut state = self.state();
        if state.output.len() > UNREAD_BYTES_MAX {
            tracing::warn!(worker = self.slot, pid = self.pid, "a worker replied to jobs that it has not read");
            state.close(Closed::Killed(Kill::Protocol));
        }
        if state.closed.is_some() {
            return Sent::Closed;
        }
        let before = state.sent.len();
        if before == 0 {
            state.throughput.first_since = now;
            state.cpu_meter.begin(self.pid);
        }
        let ConnectionState { protocol, output, sent, .. } = &mut *state;
        let mut due = None;
        for job in batch.drain(..) {
            let Some((start, deadline)) = job.dispatch(now, self, protocol.next_stream()) else {
                continue;
            };
            let stream = protocol.begin(&start, output);
            due = earlier(due, deadline);
            let awaited = Awaited::Head(deadline);
            sent.push_back(SentJob { job, unsent: Some(start), stream, awaited, is_reported: false });
        }
        if self.write(&mut state).is_ok() {
            state.sent.iter_mut().skip(before).for_each(|sent| sent.unsent = None);
        }
        due = earlier(due, state.cpu_meter.due(now));
        Sent::Jobs(state.sent.len() - before, earlier(due, state.withdraw_due()))
    }

    /// Writes as much as the socket accepts; leaves the rest to the reading task.
    fn write(&self, state: &mut ConnectionState) -> Result<(), std::io::Error> {
        if state.output.is_empty() {
            return Ok(());
        }
        match self.writer.try_write(&state.output) {
            // `clear` reuses the start of the buffer; `advance` would not.
            Ok(count) if count == state.output.len() => state.output.clear(),
            Ok(count) => state.output.advance(count),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            // The worker is exiting. The rest is not sent, so that the whole job can go to another worker.
            Err(error) => {
                state.close(Closed::Exited);
                return Err(error);
            }
        }
        state.pipeline.wake_worker(state.output.is_empty());
        if !state.output.is_empty() {
            state.wake_reader();
        }
        Ok(())
    }

    /// Encodes a frame behind the bytes that still wait, and writes.
    fn put(&self, state: &mut ConnectionState, encode: impl FnOnce(&mut Parent, &mut BytesMut)) {
        if state.closed.is_none() {
            encode(&mut state.protocol, &mut state.output);
            // The reading task handles a failed write.
            let _ = self.write(state);
        }
    }

    /// Returns how many bytes of body may be sent at once; `None` if the worker does not want the rest.
    pub(crate) fn send_room(&self, stream: u32) -> Option<usize> {
        let state = self.state();
        match state.closed {
            // The job may move to another worker, which wants the rest of the body.
            Some(_) => Some(0),
            None => state.protocol.send_room(stream),
        }
    }

    /// Sends a piece of body. This counts as progress of the client.
    pub(crate) fn data(&self, stream: u32, piece: &[u8]) {
        let mut state = self.state();
        note_progress(&mut state, stream);
        self.put(&mut state, |protocol, output| protocol.data(stream, piece, output));
    }

    pub(crate) fn end(&self, stream: u32) {
        self.put(&mut self.state(), |protocol, output| protocol.end(stream, output));
    }

    /// Gives the worker credit for more of the reply. This counts as progress of the client.
    pub(crate) fn credit(&self, stream: u32, bytes: usize) {
        let mut state = self.state();
        note_progress(&mut state, stream);
        self.put(&mut state, |protocol, output| protocol.credit(stream, bytes, output));
    }

    /// Tells the worker that a job is canceled; returns when its grace period ends.
    pub(crate) fn cancel(&self, stream: u32, grace: Duration) -> Option<Instant> {
        let (mut state, now) = (self.state(), Instant::now());
        if state.closed.is_some() || !state.cancel(stream, now, grace) {
            return None;
        }
        let _ = self.write(&mut state);
        Some(now + grace)
    }

    /// Closes the connection; the reading task then ends the process.
    pub(crate) fn close(&self, closed: Closed) {
        self.state().close(closed);
    }

    /// Closes the socket and the lifeline, which tells the worker to exit.
    pub(crate) fn hang_up(&self) {
        platform::hang_up(self.writer.as_ref());
        self.state().pipeline.cut_lifeline();
    }

    /// Takes the jobs that a closed connection leaves.
    pub(crate) fn take_sent(&self) -> VecDeque<SentJob> {
        std::mem::take(&mut self.state().sent)
    }

    /// Checks the times of all jobs here; see [`ConnectionState::expire`].
    pub(crate) fn expire(&self, now: Instant, config: &Config) -> Expired {
        let mut state = self.state();
        let expired = state.expire(self.pid, now, config);
        if state.closed.is_none() {
            let _ = self.write(&mut state);
        }
        expired
    }

    /// Compares the worker's memory with the limits; closes the connection or has the worker replaced.
    pub(crate) fn check_memory(&self, memory: Option<u64>, recycle_memory: Option<u64>) -> MemoryCheck {
        // In a cgroup, the kernel enforces the limit.
        let memory = memory.filter(|_| self.memory_limit == Some(MemoryLimit::Process));
        if memory.or(recycle_memory).is_none() {
            return MemoryCheck::Fine;
        }
        let Ok(bytes) = platform::resident_bytes(self.pid) else {
            return MemoryCheck::Fine;
        };
        let mut state = self.state();
        if memory.is_some_and(|max| bytes > max) && state.closed.is_none() {
            state.close(Closed::Killed(Kill::Memory));
            return MemoryCheck::Exceeded(state.sent.pop_front().map(|sent| sent.job));
        }
        if recycle_memory.is_some_and(|max| bytes > max) {
            state.recycling.is_large = true;
            return MemoryCheck::Large;
        }
        MemoryCheck::Fine
    }

    /// Writes the bytes that wait, on the reading task; returns whether and why the connection is closed.
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>) -> Option<Closed> {
        let mut state = self.state();
        if !state.reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker())) {
            state.reader = Some(cx.waker().clone());
        }
        while !state.output.is_empty() && state.closed.is_none() {
            match platform::poll_write(self.writer.as_ref(), cx, &state.output) {
                Poll::Ready(Ok(count)) => state.output.advance(count),
                Poll::Ready(Err(_)) => state.close(Closed::Exited),
                Poll::Pending => break,
            }
        }
        let is_written = state.output.is_empty();
        state.pipeline.wake_worker(is_written);
        state.closed
    }

    /// Decodes all complete frames in `input`; closes the connection if the worker broke the protocol.
    ///
    /// Returns when the reply of a job began to arrive in pieces: from then on, another timeout counts.
    pub(crate) fn receive(
        &self,
        input: &mut BytesMut,
        deliveries: &mut Vec<Delivery>,
    ) -> Result<Option<Instant>, Violation> {
        let mut state = self.state();
        if matches!(state.closed, Some(Closed::Killed(_))) {
            // The job that the bytes belong to has failed already and was removed here.
            input.clear();
            return Ok(None);
        }
        let mut now = None;
        let mut is_streaming = false;
        // Closed under the lock: a job that is being sent has no part in the violation.
        while let Some((_, event)) =
            state.protocol.receive(input).inspect_err(|_| state.close(Closed::Killed(Kill::Protocol)))?
        {
            let now = *now.get_or_insert_with(Instant::now);
            if let Event::Returned { at, count } = event {
                let returned = state.sent.drain(at..at + count);
                deliveries.extend(returned.map(|sent| (sent.job, Event::Returned { at, count })));
            } else if event.is_last() {
                let Some(sent) = state.sent.pop_front() else {
                    continue;
                };
                let ran = now.saturating_duration_since(state.throughput.first_since);
                self.metrics.ended(event.outcome(), ran);
                state.throughput.end(reported_time(&event), now);
                deliveries.push((sent.job, event));
            } else if let Some(first) = state.sent.front_mut() {
                if let Event::Extended(milliseconds) = event {
                    first.extend(Duration::from_millis(milliseconds.into()));
                    continue;
                }
                if matches!(event, Event::Reply(_) | Event::Data(_)) {
                    is_streaming |= matches!(first.awaited, Awaited::Head(_));
                    first.awaited = Awaited::More(now);
                }
                deliveries.push((Arc::clone(&first.job), event));
            }
        }
        Ok(now.filter(|_| is_streaming))
    }

    pub(crate) fn throughput(&self) -> Throughput {
        self.state().throughput
    }

    pub(crate) fn age(&self) -> Duration {
        self.ready_since.elapsed()
    }
}

/// Restarts the idle timeout of a job after progress of the client.
fn note_progress(state: &mut ConnectionState, stream: u32) {
    if let Some(sent) = state.sent.iter_mut().find(|sent| sent.stream == stream)
        && let Awaited::More(at) = &mut sent.awaited
    {
        *at = Instant::now();
    }
}

fn reported_time(event: &Event) -> Option<Duration> {
    match event {
        Event::Reply(answer) => Some(Duration::from_micros(answer.took_us.into())),
        _ => None,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
pub(crate) mod tests;
