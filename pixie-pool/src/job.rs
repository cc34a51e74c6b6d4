//! A job as its handler sees it: head, body, time left, and the ways to answer.
//!
//! Owns the handler's view in a worker process and on the threads of a pool of size 0, which are the same.
//! Rule: every job ends exactly once; one that is dropped reports that by itself.

use std::{
    fmt,
    io::{self, Read, Write},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::{
    config::CHUNK_BYTES_MAX,
    error::Failure,
    protocol::frame::Start,
    worker::{panics, socket::Socket},
};

/// What a worker runs for each job.
pub type Handler = Arc<dyn Fn(Job) + Send + Sync>;

/// One job to be answered.
#[derive(Debug)]
pub struct Job {
    head: Bytes,
    number: u64,
    time: TimeLimit,
    body: JobBody,
}

impl Job {
    pub(crate) fn new(socket: Arc<Socket>, stream: u32, start: Start) -> Self {
        let time = TimeLimit::new(&socket, stream, &start);
        Job {
            head: start.head,
            number: start.number,
            time,
            body: JobBody { ticket: Ticket { socket, stream, is_open: true } },
        }
    }

    /// Returns the head, as it was submitted.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Returns the job's number, which no other job of this pool has.
    pub fn id(&self) -> u64 {
        self.number
    }

    /// Returns the body, which arrives as it is read; it may be left unread.
    pub fn body(&mut self) -> &mut JobBody {
        &mut self.body
    }

    /// Returns a reader of the same body that can be handed on, while the job itself is kept for the answer.
    ///
    /// Once the job is over its reads fail.
    pub fn detached_body(&self) -> JobBody {
        let Ticket { socket, stream, .. } = &self.body.ticket;
        // It has no duty to end the job: that stays here.
        JobBody { ticket: Ticket { socket: Arc::clone(socket), stream: *stream, is_open: false } }
    }

    /// Returns the job's clock: what is left of its time, and how to get more.
    pub fn time_limit(&self) -> TimeLimit {
        self.time.clone()
    }

    /// Returns what tells whether anybody still waits for the answer.
    pub fn cancellation(&self) -> Cancellation {
        self.body.ticket.cancellation()
    }

    /// Answers with a head of at most 256 KiB and a body of any size.
    pub fn reply(self, head: &[u8], body: &[u8]) -> io::Result<()> {
        let mut ticket = self.body.ticket;
        ticket.socket.reply(ticket.stream, head, body)?;
        ticket.is_open = false;
        Ok(())
    }

    /// Sends a head of at most 256 KiB and returns the writer for the body.
    pub fn start(self, head: &[u8]) -> io::Result<JobWriter> {
        let body = self.body;
        body.ticket.socket.start(body.ticket.stream, head)?;
        Ok(JobWriter { body, buffer: Vec::new() })
    }

    /// Reports that there is no answer.
    pub fn fail(self, failure: Failure) {
        self.body.ticket.close(&failure);
    }
}

/// The body of a job; [`Read`] returns 0 once it is complete, and an error if the job was cancelled.
pub struct JobBody {
    ticket: Ticket,
}

impl JobBody {
    /// Returns the next piece as it arrived, of at most 64 KiB, and waits for it; `None` once the body is complete, an error
    /// if the job was cancelled.
    pub fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
        self.ticket.socket.piece(self.ticket.stream)
    }
}

impl Read for JobBody {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        self.ticket.socket.read(self.ticket.stream, target)
    }
}

impl fmt::Debug for JobBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobBody").finish_non_exhaustive()
    }
}

/// Writes an answer piece by piece; blocks while the reader is behind, and fails with `BrokenPipe` once it has gone.
///
/// A writer that is dropped before [`JobWriter::finish`] breaks the answer off, which its reader sees.
#[derive(Debug)]
pub struct JobWriter {
    body: JobBody,
    buffer: Vec<u8>,
}

impl JobWriter {
    /// Returns the job's body, for a handler that reads while it answers.
    pub fn body(&mut self) -> &mut JobBody {
        &mut self.body
    }

    /// Returns what tells whether anybody still reads.
    pub fn cancellation(&self) -> Cancellation {
        self.body.ticket.cancellation()
    }

    /// Breaks the answer off and says why, which its reader is told.
    pub fn fail(self, failure: Failure) {
        self.body.ticket.close(&failure);
    }

    /// Sends the rest and ends the answer.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        let mut ticket = self.body.ticket;
        ticket.socket.end(ticket.stream)?;
        ticket.is_open = false;
        Ok(())
    }
}

impl Write for JobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > CHUNK_BYTES_MAX {
            self.flush()?;
        }
        if bytes.len() >= CHUNK_BYTES_MAX {
            self.body.ticket.socket.data(self.body.ticket.stream, bytes)?;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let sent = self.body.ticket.socket.data(self.body.ticket.stream, &self.buffer);
        self.buffer.clear();
        sent
    }
}

/// Tells whether anybody still waits for a job.
#[derive(Clone, Debug)]
pub struct Cancellation {
    socket: Arc<Socket>,
    stream: u32,
}

impl Cancellation {
    /// Returns true once the client has gone, the pool wants the job to stop, or the job is over.
    pub fn is_cancelled(&self) -> bool {
        self.socket.is_cancelled(self.stream)
    }
}

/// The time that a job may take until the head of its answer; its end is a kill. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct TimeLimit {
    socket: Arc<Socket>,
    stream: u32,
    left: Arc<Mutex<Left>>,
}

#[derive(Debug)]
struct Left {
    deadline: Option<Instant>,
    /// What may still be asked for.
    extension: Duration,
}

impl TimeLimit {
    fn new(socket: &Arc<Socket>, stream: u32, start: &Start) -> Self {
        let ms = |ms: u32| Duration::from_millis(ms.into());
        let deadline = (start.deadline_ms > 0).then(|| Instant::now() + ms(start.deadline_ms));
        let left = Left { deadline, extension: ms(start.extension_ms) };
        TimeLimit { socket: Arc::clone(socket), stream, left: Arc::new(Mutex::new(left)) }
    }

    /// Returns the time until the deadline; `None` if there is no deadline.
    pub fn remaining(&self) -> Option<Duration> {
        self.left().deadline.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Asks for so much more time and returns how much it gets, in whole milliseconds: what the pool's
    /// [`extension`](crate::Config::extension) leaves, and nothing without a deadline or once the answer has begun.
    pub fn extend(&self, by: Duration) -> Duration {
        let mut left = self.left();
        let granted = by.min(left.extension).as_millis();
        let (Some(deadline), Ok(ms @ 1..)) = (left.deadline, u32::try_from(granted)) else {
            return Duration::ZERO;
        };
        if !self.socket.extend(self.stream, ms) {
            return Duration::ZERO;
        }
        let granted = Duration::from_millis(ms.into());
        left.deadline = Some(deadline + granted);
        left.extension -= granted;
        granted
    }

    fn left(&self) -> std::sync::MutexGuard<'_, Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The duty to end one job.
#[derive(Debug)]
struct Ticket {
    socket: Arc<Socket>,
    stream: u32,
    is_open: bool,
}

impl Ticket {
    fn cancellation(&self) -> Cancellation {
        Cancellation { socket: Arc::clone(&self.socket), stream: self.stream }
    }

    fn close(mut self, failure: &Failure) {
        self.is_open = false;
        // If the parent is gone, so is whoever would have read this.
        let _ = self.socket.fail(self.stream, failure);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.is_open {
            return;
        }
        let failure = match thread::panicking() {
            true => panics::take(),
            false => Failure::error("the handler dropped its job before it was answered"),
        };
        let _ = self.socket.fail(self.stream, &failure);
    }
}
