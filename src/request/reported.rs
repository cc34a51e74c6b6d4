//! `Reported`: the stream of a response, which logs a failure or a panic.
//!
//! The head has been sent already, so the client sees only that the response is cut off. Invariant: when the
//! client disconnects, the stream is dropped, which is not logged as a failure.
use std::{
    io, mem,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Method, Uri};
use http_body::{Frame, SizeHint};
use pixie_core::{Body, BoxError, RequestId, TraceContext};
use pixie_server::BodyError;

use crate::{request::arriving::RefusedBody, table::panics};

/// A stream that logs the request when it fails.
pub(crate) struct Reported {
    pub(crate) body: Body,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) id: Option<RequestId>,
    pub(crate) trace: Option<TraceContext>,
    /// Why the response ends too early. It is kept for one poll, so that earlier data is still sent.
    pub(crate) broken: Option<BoxError>,
}

impl Drop for Reported {
    fn drop(&mut self) {
        self.drop_body();
    }
}

impl Reported {
    fn drop_body(&mut self) {
        let body = mem::take(&mut self.body);
        let _ = panics::caught(|| drop(body));
    }

    fn log(&self, error: &BoxError) {
        let (method, path, request) = (&self.method, self.uri.path(), self.id.as_deref());
        let trace_id = self.trace.as_ref().map(TraceContext::trace_id);
        match is_of_client(error) {
            true => tracing::debug!(%method, path, request, trace_id, "a response was cut off: {error}"),
            false => tracing::error!(%method, path, request, trace_id, "a response was cut off: {error}"),
        }
    }
}

/// Returns whether the client has caused an error. A handler that sends the body of the request back fails
/// when its client disconnects or sends too much; as errors in the log, clients could fill it.
fn is_of_client(error: &BoxError) -> bool {
    let source = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    error.is::<BodyError>() || source.is_some_and(|source| source.is::<RefusedBody>())
}

impl http_body::Body for Reported {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let error = match panics::caught(|| Pin::new(&mut self.body).poll_frame(cx)) {
            Ok(Poll::Ready(Some(Err(error)))) => error,
            Ok(next) => return next,
            Err(panic) => panic.to_string().into(),
        };
        self.log(&error);
        self.drop_body();
        // The server flushes its buffer only when the body is pending, and discards it after an error.
        self.broken = Some(error);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.broken.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_the_client_breaks_off_is_not_an_error_of_the_server() {
        let of_client: [BoxError; 2] =
            [BodyError::ClientGone.into(), io::Error::other(RefusedBody("too long".to_owned())).into()];
        assert!(of_client.iter().all(is_of_client));
        let of_server: [BoxError; 2] = ["an item was an error".into(), io::Error::other("the disk is full").into()];
        assert!(!of_server.iter().any(is_of_client));
    }
}
