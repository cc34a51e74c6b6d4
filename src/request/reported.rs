//! `Reported`: an answer's stream on its way to the server, whose failure gets its line in the log.
//!
//! The head is out by then, so all that a client sees is an answer that breaks off. Must stay true: that a client leaves drops
//! this unread, and is no failure.
use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Method, Uri};
use http_body::{Frame, SizeHint};
use pixie_core::{Body, BoxError, RequestId};
use pixie_server::BodyError;

/// A stream that says whose answer it was when it breaks off.
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
            // A handler that sends the request's body back breaks off where its client did.
            true => tracing::debug!(%method, path, request, "an answer broke off: {error}"),
            false => tracing::error!(%method, path, request, "an answer broke off: {error}"),
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
