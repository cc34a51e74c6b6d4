//! `Streamed`: any `futures` stream of bytes as a body, polled only as fast as the client reads.
//!
//! Invariant: the stream is dropped with the response, so it ends when the client disconnects.
use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use http_body::Frame;

use crate::{Body, BoxError, IntoResponse, Notes, Response, answer::into_response::BINARY};

/// A stream of bytes as the response of an async route. The default type is `application/octet-stream`.
///
/// ```
/// use futures_core::Stream;
/// use pixie_core::{IntoResponse, Streamed};
/// fn export(rows: impl Stream<Item = std::io::Result<String>> + Send + 'static) -> impl IntoResponse {
///     ([("content-type", "text/csv")], Streamed(rows))
/// }
/// ```
#[doc(alias("streaming", "stream"))]
#[derive(Clone, Debug)]
pub struct Streamed<S>(pub S);

impl<S, T, E> IntoResponse for Streamed<S>
where
    S: Stream<Item = Result<T, E>> + Send + 'static,
    T: Into<Bytes>,
    E: Into<BoxError>,
{
    fn into_response(self) -> Response {
        Response::with_type(Body::from_stream(self.0), BINARY)
    }

    fn describe(notes: &mut Notes) {
        notes.answer::<[u8]>("200", "application/octet-stream");
    }
}

impl Body {
    /// Wraps a stream of bytes. An error cuts the body.
    pub fn from_stream<S, T, E>(stream: S) -> Body
    where
        S: Stream<Item = Result<T, E>> + Send + 'static,
        T: Into<Bytes>,
        E: Into<BoxError>,
    {
        Body::new(Polled(Box::pin(stream)))
    }
}

struct Polled<S>(Pin<Box<S>>);

impl<S, T, E> http_body::Body for Polled<S>
where
    S: Stream<Item = Result<T, E>>,
    T: Into<Bytes>,
    E: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let item = self.0.as_mut().poll_next(cx);
        item.map(|item| item.map(|item| item.map(|bytes| Frame::data(bytes.into())).map_err(Into::into)))
    }
}
