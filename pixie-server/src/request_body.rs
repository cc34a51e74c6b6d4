//! The body of a request as the service gets it, and what can go wrong while it is read.
//!
//! It wraps hyper's body without a box and adds the clock for a body that stands still. The clock runs only while
//! somebody waits for the body: a handler that is slow to read is not the client's fault.

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

use crate::watch::{Body, Watch};

/// The body of a request, read from the socket as it is polled.
#[derive(Debug)]
pub struct RequestBody {
    incoming: Incoming,
    /// `None` from the end of the body on; at once for a request without one.
    watch: Option<Arc<Watch>>,
}

/// Why a request body ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyError {
    /// It stood still for longer than [`Config::body_timeout`](crate::Config::body_timeout); answer 408.
    Timeout,
    /// The client broke the framing (a bad chunk); answer 400.
    Malformed,
    /// The client is gone; no answer will reach it.
    ClientGone,
}

impl RequestBody {
    pub(crate) fn new(incoming: Incoming, watch: &Arc<Watch>) -> RequestBody {
        let ended = http_body::Body::is_end_stream(&incoming);
        if !ended {
            watch.body_becomes(Body::Open);
        } else if watch.body() != Body::Ended {
            watch.body_becomes(Body::Ended);
        }
        RequestBody { incoming, watch: (!ended).then(|| watch.clone()) }
    }

    fn end(&mut self, end: Body) {
        if let Some(watch) = self.watch.take() {
            watch.body_becomes(end);
        }
    }

    fn wait(&mut self, cx: &Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(watch) = &self.watch else {
            return Poll::Ready(None);
        };
        if watch.body() == Body::TimedOut {
            // Left as it is, so that the response says `Connection: close`.
            self.watch = None;
            return Poll::Ready(Some(Err(BodyError::Timeout)));
        }
        watch.body_awaited(cx);
        Poll::Pending
    }

    fn moved(&mut self) {
        if http_body::Body::is_end_stream(&self.incoming) {
            self.end(Body::Ended);
        } else if let Some(watch) = self.watch.as_ref().filter(|watch| watch.body() != Body::Open) {
            watch.body_becomes(Body::Open);
        }
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.watch.is_none() {
            return Poll::Ready(None);
        }
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.moved();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.end(Body::Abandoned);
                Poll::Ready(Some(Err(BodyError::from(error))))
            }
            Poll::Ready(None) => {
                self.end(Body::Ended);
                Poll::Ready(None)
            }
            Poll::Pending => self.wait(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.watch.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.watch.is_none() { SizeHint::with_exact(0) } else { http_body::Body::size_hint(&self.incoming) }
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.end(Body::Abandoned);
    }
}

impl From<hyper::Error> for BodyError {
    fn from(error: hyper::Error) -> BodyError {
        let cause = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<io::Error>());
        match cause.map(io::Error::kind) {
            Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => BodyError::Malformed,
            _ => BodyError::ClientGone,
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BodyError::Timeout => "the request body stood still for too long",
            BodyError::Malformed => "the request body is not well-formed",
            BodyError::ClientGone => "the client is gone before the end of its request body",
        })
    }
}

impl std::error::Error for BodyError {}
