//! A job as its handler sees it: head, body, time limit, and the ways to reply.
//!
//! Owns the handler's side, which is the same in a worker process and on the threads of a pool of size 0.
//! Invariant: each job ends exactly once. Dropping a job ends it with a failure.

use std::{
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
    worker::{socket::Socket, take_panic},
};

/// What a worker runs for each job.
pub type Handler = Arc<dyn Fn(Job) + Send + Sync>;

/// One job that a handler has to reply to.
///
/// ```
/// use std::{io::Read as _, sync::Arc};
/// use pixie_pool::{Failure, Handler, Job};
///
/// let handler: Handler = Arc::new(|mut job: Job| {
///     let mut text = String::new();
///     match job.body().read_to_string(&mut text) {
///         // An error means that the job was canceled, which has ended it.
///         Ok(_) => drop(job.reply(b"", text.to_uppercase().as_bytes())),
///         Err(error) => job.fail(Failure::error(format!("reading the text failed: {error}"))),
///     }
/// });
/// # let _ = handler;
/// ```
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
        Job { head: start.head, number: start.number, time, body: JobBody { socket, stream, is_open: true } }
    }

    /// Returns the head, as it was submitted.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Returns the job's number, which no other job of this pool has.
    pub fn id(&self) -> u64 {
        self.number
    }

    /// Returns the body. It arrives while it is read, and need not be read.
    pub fn body(&mut self) -> &mut JobBody {
        &mut self.body
    }

    /// Returns a second reader of the same body, for code that reads while other code keeps the job.
    ///
    /// Its reads fail after the job has ended.
    pub fn detached_body(&self) -> JobBody {
        // Dropping this one does not end the job.
        JobBody { socket: Arc::clone(&self.body.socket), stream: self.body.stream, is_open: false }
    }

    /// Returns the job's time limit, which tells how much time is left and can ask for more.
    pub fn time_limit(&self) -> TimeLimit {
        self.time.clone()
    }

    /// Returns a value that tells whether the job was canceled.
    pub fn cancellation(&self) -> Cancellation {
        self.body.cancellation()
    }

    /// Returns a value with which the handler, and the threads that it starts, call the pool's process.
    pub fn caller(&self) -> Caller {
        Caller { socket: Arc::clone(&self.body.socket), stream: self.body.stream }
    }

    /// Replies with a head of at most 256 KiB and a body of any size.
    ///
    /// # Errors
    ///
    /// Fails with `BrokenPipe` if the job was canceled, and with `InvalidInput` if the head is too large.
    pub fn reply(self, head: &[u8], body: &[u8]) -> io::Result<()> {
        let mut job = self.body;
        job.socket.reply(job.stream, head, body)?;
        job.is_open = false;
        Ok(())
    }

    /// Sends a head of at most 256 KiB and returns the writer for the body.
    pub fn start(self, head: &[u8]) -> io::Result<JobWriter> {
        let body = self.body;
        body.socket.start(body.stream, head)?;
        Ok(JobWriter { body, buffer: Vec::new() })
    }

    /// Ends the job with a failure instead of a reply.
    pub fn fail(self, failure: Failure) {
        self.body.close(&failure);
    }
}

/// The body of a job; [`Read`] returns 0 at its end, and an error if the job was canceled.
#[derive(Debug)]
pub struct JobBody {
    socket: Arc<Socket>,
    stream: u32,
    /// Whether dropping it ends the job with a failure.
    is_open: bool,
}

impl JobBody {
    /// Waits for the next piece of at most 256 KiB and returns it; `None` at the end of the body.
    ///
    /// # Errors
    ///
    /// Fails if the job was canceled.
    pub fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
        self.socket.piece(self.stream)
    }

    fn cancellation(&self) -> Cancellation {
        Cancellation { socket: Arc::clone(&self.socket), stream: self.stream }
    }

    fn close(mut self, failure: &Failure) {
        self.is_open = false;
        // An error means that the job or the parent has ended.
        let _ = self.socket.fail(self.stream, failure);
    }
}

impl Read for JobBody {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        self.socket.read(self.stream, target)
    }
}

impl Drop for JobBody {
    fn drop(&mut self) {
        if !self.is_open {
            return;
        }
        let failure = match thread::panicking() {
            true => take_panic(),
            false => Failure::error("the handler dropped its job without a reply"),
        };
        let _ = self.socket.fail(self.stream, &failure);
    }
}

/// Writes a reply piece by piece; blocks while the reader is behind, and fails after a cancellation.
///
/// Dropping the writer before [`JobWriter::finish`] ends the reply with a failure, which its reader gets.
#[derive(Debug)]
pub struct JobWriter {
    body: JobBody,
    buffer: Vec<u8>,
}

impl JobWriter {
    /// Returns the job's body, for a handler that reads while it replies.
    pub fn body(&mut self) -> &mut JobBody {
        &mut self.body
    }

    /// Returns a value that tells whether the job was canceled.
    pub fn cancellation(&self) -> Cancellation {
        self.body.cancellation()
    }

    /// Ends the reply early with a failure, which its reader gets.
    pub fn fail(self, failure: Failure) {
        self.body.close(&failure);
    }

    /// Sends the rest and ends the reply.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        let mut job = self.body;
        job.socket.end(job.stream)?;
        job.is_open = false;
        Ok(())
    }
}

impl Write for JobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > CHUNK_BYTES_MAX {
            self.flush()?;
        }
        if bytes.len() >= CHUNK_BYTES_MAX {
            self.body.socket.data(self.body.stream, bytes)?;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let sent = self.body.socket.data(self.body.stream, &self.buffer);
        self.buffer.clear();
        sent
    }
}

/// Tells whether a job was canceled.
#[derive(Clone, Debug)]
pub struct Cancellation {
    socket: Arc<Socket>,
    stream: u32,
}

impl Cancellation {
    /// Returns true after the submitter has dropped the job, the pool has canceled it, or it has ended.
    pub fn is_canceled(&self) -> bool {
        self.socket.is_canceled(self.stream)
    }
}

/// Calls the pool's process while the job runs, also while its body arrives or its reply is sent.
///
/// ```
/// use std::sync::Arc;
/// use bytes::Bytes;
/// use pixie_pool::{Handler, Job, Pool, Submission};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let handler: Handler = Arc::new(|job: Job| {
///     if let Ok(answer) = job.caller().call(job.head()) {
///         let _ = job.reply(b"", &answer);
///     }
/// });
/// let upper = |request: Bytes| async move { Bytes::from(request.to_ascii_uppercase()) };
/// let pool = Pool::named("upper").size(0).calls(upper).start(handler).await?;
/// let reply = pool.submit(Submission::new("hello")).await?;
/// assert_eq!(reply.body.collect().await?, "HELLO");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Caller {
    socket: Arc<Socket>,
    stream: u32,
}

impl Caller {
    /// Sends a request to the function that [`Config::calls`](crate::Config::calls) has set, and waits for its
    /// answer. Calls of several threads follow each other. The job's deadline counts on.
    ///
    /// # Errors
    ///
    /// Fails with `Unsupported` if the pool answers no calls, with `InvalidInput` if the request has more than
    /// 1 MiB, with `BrokenPipe` if the job was canceled or has ended, and with `Other` if the function panicked
    /// or its answer has more than 1 MiB.
    pub fn call(&self, request: &[u8]) -> io::Result<Bytes> {
        self.socket.call(self.stream, request)
    }
}

/// The time that a job may take until the head of its reply. Clones share the same limit.
#[derive(Clone, Debug)]
pub struct TimeLimit {
    socket: Arc<Socket>,
    stream: u32,
    left: Arc<Mutex<Left>>,
}

#[derive(Debug)]
struct Left {
    deadline: Option<Instant>,
    /// How much more time the job may get.
    extension: Duration,
}

impl TimeLimit {
    fn new(socket: &Arc<Socket>, stream: u32, start: &Start) -> Self {
        let ms = |ms: u32| Duration::from_millis(ms.into());
        let deadline = (start.deadline_ms > 0).then(|| Instant::now() + ms(start.deadline_ms));
        let left = Left { deadline, extension: ms(start.extension_ms) };
        TimeLimit { socket: Arc::clone(socket), stream, left: Arc::new(Mutex::new(left)) }
    }

    /// Returns the time until the deadline; `None` without a deadline.
    pub fn remaining(&self) -> Option<Duration> {
        self.left().deadline.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Asks for so much more time and returns how much was granted, in whole milliseconds: at most what is
    /// left of [`Config::extension`](crate::Config::extension). Zero without a deadline and after the head.
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
