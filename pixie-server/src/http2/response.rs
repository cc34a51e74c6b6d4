//! The response on a stream: as the service has made it, without what belongs to HTTP/1.1.
//!
//! hyper leaves to its user what it does itself for HTTP/1.1: no body for HEAD and for statuses without one,
//! and a body as long as its `Content-Length`. Invariant: a stream ends cleanly only after the whole body.

use std::{
    future::Future,
    io::IoSlice,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http::{
    HeaderName, HeaderValue, Response, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING, UPGRADE},
};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::stream::{Discard, Stream, discard};
use crate::{
    Address, RequestBody,
    exchange::{BoxError, ResponseFuture},
    refusal::Refusal,
};

/// Limits the last part of a body that h2 may hold without the stream's task. For a longer part the task
/// waits, so that a client that does not take it loses the stream and not the connection.
const TAIL_BYTES_MAX: usize = 16 * 1024;

/// Headers for one connection of HTTP/1.1. With one of them the response is malformed (RFC 9113, section
/// 8.2.2, and RFC 9114, section 4.2), and some clients then end the connection.
static OF_CONNECTION: [HeaderName; 5] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TRANSFER_ENCODING,
    UPGRADE,
];

pin_project! {
    /// Returns the response to one request.
    pub(crate) struct StreamResponse<S, F, B> {
        // `None` if the request is not given to the service.
        #[pin]
        response: Option<ResponseFuture<S, F, B>>,
        stream: Arc<Stream>,
        is_to_head: bool,
        switches: bool,
        peer: Option<Address>,
    }
}

impl<S, F, B> StreamResponse<S, F, B> {
    pub(crate) fn new(
        response: ResponseFuture<S, F, B>,
        stream: Arc<Stream>,
        is_to_head: bool,
        peer: Address,
    ) -> StreamResponse<S, F, B> {
        StreamResponse { response: Some(response), stream, is_to_head, switches: false, peer: Some(peer) }
    }

    /// A request of a client that cancels too many of them.
    pub(super) fn canceled(stream: Arc<Stream>) -> StreamResponse<S, F, B> {
        StreamResponse { response: None, stream, is_to_head: false, switches: false, peer: None }
    }

    /// Says whether the request asks for a WebSocket.
    pub(super) fn switching(self, switches: bool) -> StreamResponse<S, F, B> {
        StreamResponse { switches, ..self }
    }
}

impl<S, B> Future for StreamResponse<S, S::Future, B>
where
    S: Service<http::Request<RequestBody>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: Body<Error: Into<BoxError>>,
{
    type Output = Result<Response<ResponseBody<B>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(response) = this.response.as_pin_mut() else {
            return Poll::Ready(Err("the client has canceled too many requests".into()));
        };
        let mut response = ready!(response.poll(cx)).inspect_err(|_| this.stream.answered())?;
        // The service has answered as if to GET. A success would open the stream (RFC 8441, section 4).
        if *this.switches && response.status().is_success() && !response.body().is_end_stream() {
            *response.status_mut() = Refusal::NO_WEBSOCKET.status;
            response.extensions_mut().insert(Refusal::NO_WEBSOCKET);
        }
        if let (Some(refusal), Some(peer)) = (response.extensions().get::<Refusal>(), this.peer.as_ref()) {
            refusal.log(peer);
        }
        Poll::Ready(Ok(on_stream(response, this.stream, *this.is_to_head)))
    }
}

fn on_stream<B: Body<Error: Into<BoxError>>>(
    response: Response<crate::ResponseBody<B>>,
    stream: &Arc<Stream>,
    is_to_head: bool,
) -> Response<ResponseBody<B>> {
    let (mut head, body) = response.into_parts();
    OF_CONNECTION.iter().for_each(|name| drop(head.headers.remove(name)));
    let mut body = ResponseBody {
        body: Some(body),
        refusal: None,
        left: None,
        tail: 0,
        waits: false,
        is_refusal: head.status.is_client_error() || head.status.is_server_error(),
        rest: None,
        stream: stream.clone(),
    };
    if let Some(refusal) = head.extensions.remove::<Refusal>() {
        let problem = Bytes::from(refusal.problem());
        head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        head.headers.insert(CONTENT_LENGTH, problem.len().into());
        (body.body, body.refusal) = (None, Some(problem));
    }
    let has_none =
        head.status.is_informational() || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if is_to_head || has_none {
        // HEAD tells the length that the body of GET has.
        let length = body.body.as_ref().and_then(|body| body.size_hint().exact()).filter(|length| *length > 0);
        if let (Some(length), false, false) = (length, has_none, head.headers.contains_key(CONTENT_LENGTH)) {
            head.headers.insert(CONTENT_LENGTH, length.into());
        }
        (body.body, body.refusal) = (None, None);
    }
    let length = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    body.left = body.body.as_ref().and_then(|body| length.or(body.size_hint().exact()));
    if body.is_end_stream() {
        stream.answered();
    }
    Response::from_parts(head, body)
}

/// What a poll of a body with this data returns.
type Polled<D> = Poll<Option<Result<Frame<D>, BoxError>>>;

pin_project! {
    /// A response body on its way to h2.
    pub(crate) struct ResponseBody<B> {
        #[pin]
        body: Option<crate::ResponseBody<B>>,
        // The body of a refusal, in place of the service's.
        refusal: Option<Bytes>,
        // How many bytes of the announced length are to come.
        left: Option<u64>,
        // The bytes of the last part.
        tail: usize,
        // Whether the end waits until the client has taken the last part.
        waits: bool,
        // Whether the end comes at once, so that the client stops its upload.
        is_refusal: bool,
        // Reads what the service has left of the request. A client in the middle of its upload may take the
        // end of a success for an error, or wait for ever (curl 7).
        rest: Option<Discard>,
        stream: Arc<Stream>,
    }
}

impl<B: Body> ResponseBody<B> {
    fn is_at_end(&self) -> bool {
        self.refusal.is_none() && self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn waits_for_request(&self) -> bool {
        self.rest.is_some() || (!self.is_refusal && self.stream.watch().has_left_body())
    }
}

impl<B: Body<Error: Into<BoxError>>> ResponseBody<B> {
    fn poll_part(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled<Part<B::Data>> {
        let this = self.as_mut().project();
        if *this.waits {
            // `Stream::take_back` wakes the task.
            return if this.stream.has_unsent() { Poll::Pending } else { Poll::Ready(None) };
        }
        let stream = this.stream.clone();
        if let Some(problem) = this.refusal.take() {
            stream.answered();
            *this.left = None;
            return Poll::Ready(Some(Ok(Frame::data(Part::new(Source::Ours(problem), stream)))));
        }
        let Some(body) = this.body.as_pin_mut() else { return Poll::Ready(None) };
        let frame = match ready!(body.poll_frame(cx)) {
            Some(Ok(frame)) => frame.map_data(|data| Part::new(Source::OfService(data), stream.clone())),
            Some(Err(error)) => {
                stream.answered();
                return Poll::Ready(Some(Err(error.into())));
            }
            None => {
                stream.answered();
                let is_short = this.left.is_some_and(|left| left > 0);
                if !is_short && *this.tail > TAIL_BYTES_MAX && stream.has_unsent() {
                    *this.waits = true;
                    return Poll::Pending;
                }
                return Poll::Ready(is_short.then(|| Err("the body is shorter than its Content-Length".into())));
            }
        };
        let count = frame.data_ref().map_or(0, Buf::remaining);
        if let Some(left) = this.left {
            match left.checked_sub(count as u64) {
                Some(rest) => *left = rest,
                None => return Poll::Ready(Some(Err("the body is longer than its Content-Length".into()))),
            }
        }
        if frame.is_trailers() || self.is_at_end() {
            stream.answered();
            *self.as_mut().project().waits = count > TAIL_BYTES_MAX;
        }
        *self.project().tail = count;
        Poll::Ready(Some(Ok(frame)))
    }
}

impl<B: Body<Error: Into<BoxError>>> Body for ResponseBody<B> {
    type Data = Part<B::Data>;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled<Self::Data> {
        if self.rest.is_none() {
            let part = ready!(self.as_mut().poll_part(cx));
            if part.is_some() || !self.waits_for_request() {
                return Poll::Ready(part);
            }
            self.stream.answered();
            let rest = self.stream.watch().take_left_body().map(discard);
            *self.as_mut().project().rest = rest;
        }
        self.project().rest.as_mut().map_or(Poll::Ready(()), |rest| rest.as_mut().poll(cx)).map(|()| None)
    }

    fn is_end_stream(&self) -> bool {
        // A body that is too short ends with an error.
        !self.waits && self.left.is_none_or(|left| left == 0) && self.is_at_end() && !self.waits_for_request()
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.refusal, &self.body) {
            (Some(problem), _) => SizeHint::with_exact(problem.len() as u64),
            (None, body) => body.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint),
        }
    }
}

/// A part of a response, which counts its bytes while the system takes them.
pub(crate) struct Part<D> {
    bytes: Source<D>,
    stream: Arc<Stream>,
}

enum Source<D> {
    OfService(D),
    Ours(Bytes),
}

impl<D> Part<D> {
    fn new(bytes: Source<D>, stream: Arc<Stream>) -> Part<D> {
        stream.hand_out();
        Part { bytes, stream }
    }
}

#[cfg(feature = "http3")]
impl<D: Buf> Part<D> {
    /// Returns the part in the one type that h3 gets.
    pub(crate) fn into_bytes(mut self) -> Part<Bytes> {
        let bytes = match &mut self.bytes {
            Source::OfService(data) => data.copy_to_bytes(data.remaining()),
            Source::Ours(bytes) => std::mem::take(bytes),
        };
        Part::new(Source::Ours(bytes), self.stream.clone())
    }
}

impl<D> Drop for Part<D> {
    fn drop(&mut self) {
        self.stream.take_back();
    }
}

impl<D: Buf> Buf for Part<D> {
    fn remaining(&self) -> usize {
        match &self.bytes {
            Source::OfService(data) => data.remaining(),
            Source::Ours(bytes) => bytes.remaining(),
        }
    }

    fn chunk(&self) -> &[u8] {
        match &self.bytes {
            Source::OfService(data) => data.chunk(),
            Source::Ours(bytes) => bytes.chunk(),
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        match &self.bytes {
            Source::OfService(data) => data.chunks_vectored(slices),
            Source::Ours(bytes) => bytes.chunks_vectored(slices),
        }
    }

    fn advance(&mut self, count: usize) {
        self.stream.sent(count);
        match &mut self.bytes {
            Source::OfService(data) => data.advance(count),
            Source::Ours(bytes) => bytes.advance(count),
        }
    }
}
