//! The body of a request as the service gets it, and the errors of reading it.
//!
//! Wraps hyper's body without a box and adds the timeout for a body that does not arrive. The timeout runs
//! only while the service waits for the body, so a handler that reads slowly does not cause a timeout.

use std::{
    fmt, io, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming as HyperBody;

use crate::watch::{BodyPhase, Watch};

/// The body of a request, read from the socket as it is polled.
#[derive(Debug)]
pub struct RequestBody {
    incoming: Incoming,
    /// `None` after the end of the body, and for a request without a body.
    watch: Option<Arc<Watch>>,
}

/// What a body is read from.
pub(crate) enum Incoming {
    Hyper(HyperBody),
    #[cfg_attr(not(feature = "http3"), expect(dead_code, reason = "only HTTP/3 uses it"))]
    Other(Box<dyn Body<Data = Bytes, Error = BodyError> + Send + Sync + Unpin>),
    /// The rest is left to the stream.
    Left,
}

/// Why a request body ended too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyError {
    /// No bytes arrived for [`Config::body_timeout`](crate::Config::body_timeout). The right response is 408.
    Timeout,
    /// The client sent wrong framing, such as a bad chunk. The right response is 400.
    Malformed,
    /// The client has disconnected and cannot get a response.
    ClientGone,
}

impl RequestBody {
    pub(crate) fn new(incoming: impl Into<Incoming>, watch: &Arc<Watch>) -> RequestBody {
        let incoming = incoming.into();
        let ended = incoming.is_end_stream();
        if !ended {
            watch.set_body(BodyPhase::Open);
        } else if watch.body() != BodyPhase::Ended {
            watch.set_body(BodyPhase::Ended);
        }
        RequestBody { incoming, watch: (!ended).then(|| watch.clone()) }
    }

    fn end(&mut self, end: BodyPhase) {
        if let Some(watch) = self.watch.take() {
            watch.set_body(end);
        }
    }

    /// Leaves the rest of a body of HTTP/2 to its stream.
    fn leave(&mut self) {
        let Some(watch) = self.watch.as_ref().filter(|watch| watch.is_stream()) else { return };
        if let Incoming::Hyper(rest) = mem::replace(&mut self.incoming, Incoming::Left) {
            watch.leave_body(rest);
        }
    }

    fn wait(&mut self, cx: &Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(watch) = &self.watch else {
            return Poll::Ready(None);
        };
        if watch.body() == BodyPhase::TimedOut {
            self.leave();
            // The phase stays `TimedOut`, so that the response gets `Connection: close`.
            self.watch = None;
            return Poll::Ready(Some(Err(BodyError::Timeout)));
        }
        watch.body_awaited(cx);
        Poll::Pending
    }

    fn moved(&mut self, frame: &Frame<Bytes>) {
        if let (Some(data), Some(watch)) = (frame.data_ref(), &self.watch) {
            watch.body_received(data.len());
        }
        if self.incoming.is_end_stream() {
            self.end(BodyPhase::Ended);
        } else if let Some(watch) = self.watch.as_ref().filter(|watch| watch.body() != BodyPhase::Open) {
            watch.set_body(BodyPhase::Open);
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.watch.is_none() {
            return Poll::Ready(None);
        }
        match self.incoming.poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.moved(&frame);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.end(BodyPhase::Abandoned);
                Poll::Ready(Some(Err(error)))
            }
            Poll::Ready(None) => {
                self.end(BodyPhase::Ended);
                Poll::Ready(None)
            }
            Poll::Pending => self.wait(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.watch.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.watch.is_none() { SizeHint::with_exact(0) } else { self.incoming.size_hint() }
    }
}

impl Incoming {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Incoming::Hyper(body) => {
                Pin::new(body).poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(BodyError::from)))
            }
            Incoming::Other(body) => Pin::new(body).poll_frame(cx),
            Incoming::Left => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Incoming::Hyper(body) => body.is_end_stream(),
            Incoming::Other(body) => body.is_end_stream(),
            Incoming::Left => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Incoming::Hyper(body) => body.size_hint(),
            Incoming::Other(body) => body.size_hint(),
            Incoming::Left => SizeHint::with_exact(0),
        }
    }
}

impl From<HyperBody> for Incoming {
    fn from(body: HyperBody) -> Incoming {
        Incoming::Hyper(body)
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Incoming")
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.leave();
        self.end(BodyPhase::Abandoned);
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
            BodyError::Timeout => "timeout: the client stopped sending its request body",
            BodyError::Malformed => "the request body is malformed",
            BodyError::ClientGone => "the client disconnected before the end of its request body",
        })
    }
}

impl std::error::Error for BodyError {}
