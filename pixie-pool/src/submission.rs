//! What goes into a pool: a head, a body and how the job may be treated.
//!
//! Owns the types a caller fills in. Rule: the pool never looks into head or body.

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;

/// One job to be run.
#[derive(Debug, Default)]
pub struct Submission {
    /// What the handler reads first; at most 256 KiB.
    pub head: Bytes,
    /// What the handler may read after it.
    pub body: Body,
    /// A deadline of its own; `None` takes the pool's.
    pub deadline: Option<Duration>,
    /// Whether running it twice does no harm: such a job is sent once more if its worker crashes, and without a body it may be
    /// sent to a busy worker in advance, which makes short jobs several times cheaper. Its answer may then wait for the next one's
    /// for a moment, and it is run again if the worker crashes in that moment.
    /// Ignored for a streamed body.
    pub replayable: bool,
    /// What the logs, the snapshot and the metrics call it: the name of what is run, such as a route, not of one job.
    pub label: Arc<str>,
    /// What the submitter knows this one job by, such as the id of an HTTP request, for the logs and the snapshot.
    pub request_id: Option<Arc<str>>,
}

impl Submission {
    /// Returns a job with this head, no body and the pool's own deadline.
    pub fn new(head: impl Into<Bytes>) -> Self {
        Submission { head: head.into(), ..Submission::default() }
    }
}

/// The body of a job.
#[derive(Default)]
pub enum Body {
    /// None at all.
    #[default]
    Empty,
    /// All of it, in memory.
    Full(Bytes),
    /// Pieces that are asked for only when the worker has room for them.
    Stream(Pin<Box<dyn BodyStream + Send>>),
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
    /// Returns the next piece, `None` at the end; an error fails the job with [`Error::Body`](crate::Error::Body).
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>>;
}
