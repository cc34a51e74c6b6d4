//! `Reported`: the stream of a response, which logs a failure.
//!
//! The head has been sent already, so the client sees only that the response is cut off. Invariant: when the
//! client disconnects, the stream is dropped, which is not logged as a failure.
use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Method, Uri};
use http_body::{Frame, SizeHint};
use pixie_core::{Body, BoxError, RequestId};
use pixie_server::BodyError;

/// A stream that logs the request when it fails.
pub(crate) struct Reported {
    pub(crate) body: Body,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) id: Option<RequestId>,
}

impl Reported {
    fn log(&self, error: &BoxError) {
        let (method, path, request) = (&self.method, self.uri.path(), self.id.as_deref());
        match error.is::<BodyError>() {
            // A handler that sends the body of the request back fails when its client disconnects.
            true => tracing::debug!(%method, path, request, "a response was cut off: {error}"),
            false => tracing::error!(%method, path, request, "a response was cut off: {error}"),
        }
    }
}

impl http_body::Body for Reported {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let next = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Err(error))) = &next {
            self.log(error);
        }
        next
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
