//! `UntilStop`: a stream of events, which ends when the server begins to stop.
//!
//! Such a stream has no end of its own, so a stop would wait for the whole grace period. Browsers connect
//! again with the id of their last event. Invariant: dropping the body cancels the job of a stream route, as
//! when its client leaves.
use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::header;
use http_body::Frame;
use pixie_core::{Body, BoxError, BoxFuture, Response};
use pixie_server::Shutdown;

const EVENTS: &[u8] = b"text/event-stream";

struct UntilStop {
    body: Body,
    stop: BoxFuture<()>,
}

/// Ends the body of a response with the stop, if it is a stream of events.
pub(crate) fn end_events(response: &mut Response, shutdown: &Shutdown) {
    if response.headers().get(header::CONTENT_TYPE).is_some_and(|media| media.as_bytes().starts_with(EVENTS)) {
        let (body, shutdown) = (response.take_body(), shutdown.clone());
        response.set_body(Body::new(UntilStop { body, stop: Box::pin(async move { shutdown.wait().await }) }));
    }
}

impl http_body::Body for UntilStop {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        // The body first, so that an event that is there is still sent.
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending => self.stop.as_mut().poll(cx).map(|()| None),
            next => next,
        }
    }
}
