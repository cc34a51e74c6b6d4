//! The service's response body, which marks the connection as idle when it is dropped.
//!
//! Forwards every call. hyper drops a body after it has taken the last byte, so the drop is the end of the
//! request for the sweeper.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::watch::{Phase, Watch};

pin_project! {
    /// A response body on its way to the client.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        // `None` in a response that this crate makes itself.
        #[pin]
        body: Option<B>,
        _done: Done,
    }
}

/// Marks the connection as idle when the response body is dropped.
#[derive(Debug)]
struct Done(Arc<Watch>);

impl<B> ResponseBody<B> {
    pub(crate) fn new(body: Option<B>, watch: Arc<Watch>) -> ResponseBody<B> {
        ResponseBody { body, _done: Done(watch) }
    }
}

impl<B: Body> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.as_pin_mut().map_or(Poll::Ready(None), |body| body.poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        self.0.enter(Phase::Idle);
    }
}
