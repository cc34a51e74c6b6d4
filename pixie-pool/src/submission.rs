//! What a program submits to a pool: a head, a body, and how the pool may treat the job.
//!
//! Owns the types that a caller fills in. Invariant: the pool does not interpret head and body.

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;

/// One job to run.
///
/// ```
/// use std::time::Duration;
/// use pixie_pool::Submission;
///
/// let job = Submission::new("resize 200").body("…").deadline(Duration::from_secs(2)).label("resize");
/// assert_eq!(&*job.label, "resize");
/// ```
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Submission {
    /// What the handler reads first; at most 256 KiB.
    pub head: Bytes,
    /// What the handler may read after the head.
    pub body: Body,
    /// The deadline of this job; `None` for the pool's.
    pub deadline: Option<Duration>,
    /// Whether the job may run twice: then it is sent once more if its worker crashes. Ignored for a streamed
    /// body.
    pub replayable: bool,
    /// The name of the kind of job, such as a route, in logs, snapshots and metrics.
    pub label: Arc<str>,
    /// The submitter's name for this one job, such as the id of an HTTP request, in logs and snapshots.
    pub request_id: Option<Arc<str>>,
    /// The id of the distributed trace that the job belongs to, in logs.
    pub trace_id: Option<Arc<str>>,
    /// For whom the job is, such as a hash of a client's address. Clients take turns in the queue, and if
    /// it is full, the last job of the client with the most jobs there gives way to that of a client with
    /// fewer. Jobs without a client count as those of one client.
    pub client: Option<u64>,
}

impl Submission {
    /// Returns a job with this head, an empty body and the pool's deadline.
    pub fn new(head: impl Into<Bytes>) -> Self {
        Submission { head: head.into(), ..Submission::default() }
    }

    /// Sets the body: bytes, or a [`Body`].
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets the deadline of this job; `None` for the pool's.
    pub fn deadline(mut self, deadline: impl Into<Option<Duration>>) -> Self {
        self.deadline = deadline.into();
        self
    }

    /// Sets whether the job may run twice; see the field of this name.
    pub fn replayable(mut self, is_replayable: bool) -> Self {
        self.replayable = is_replayable;
        self
    }

    /// Sets the name of the kind of job in logs, snapshots and metrics.
    pub fn label(mut self, label: impl Into<Arc<str>>) -> Self {
        self.label = label.into();
        self
    }

    /// Sets the submitter's name for this one job in logs and snapshots.
    pub fn request_id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.request_id = Some(id.into());
        self
    }

    /// Sets for whom the job is; see the field of this name.
    pub fn client(mut self, client: impl Into<Option<u64>>) -> Self {
        self.client = client.into();
        self
    }
}

/// The body of a job.
#[derive(Default)]
#[non_exhaustive]
pub enum Body {
    /// An empty body.
    #[default]
    Empty,
    /// The whole body, in memory.
    Full(Bytes),
    /// Pieces, which the pool asks for when the worker has room for them.
    Stream(Pin<Box<dyn BodyStream + Send>>),
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        Body::Full(bytes.into())
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Empty => f.write_str("Empty"),
            Body::Full(bytes) => write!(f, "Full({} bytes)", bytes.len()),
            Body::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// A body that arrives in pieces.
pub trait BodyStream {
    /// Returns the next piece, `None` at the end; an error fails the job with
    /// [`Error::Body`](crate::Error::Body).
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>>;
}
