//! One request of HTTP/3, from its head to the confirmed end of its response.
//!
//! The response is the one that HTTP/2 sends (`http2/response.rs`). Invariant: a response that has failed is
//! reset; quinn would end the stream cleanly.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, Waker, ready},
    time::SystemTime,
};

use bytes::{Buf, Bytes};
use h3::{
    error::{Code, StreamError},
    server::{RequestResolver, RequestStream},
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response,
    header::{CONNECTION, CONTENT_LENGTH, DATE, TE, TRANSFER_ENCODING, UPGRADE},
};
use http_body::{Body, Frame, SizeHint};

use super::transport::{Receive, Send, Transport};
use crate::{
    Address, BodyError, HttpService, RequestBody,
    exchange::Exchange,
    http2::{
        response::{Part, StreamResponse},
        stream::Stream,
    },
    listen::BoxFuture,
    race::{First, race},
    request_body::Incoming,
};

/// Headers that belong to connections of HTTP/1.1 (RFC 9114, section 4.2).
const FORBIDDEN: [HeaderName; 5] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Serves a request. `ended` is ready when the client cancels it or has received the whole response.
/// `in_flight` has a further reference from the head to the last byte that quinn takes.
pub(super) async fn serve<S: HttpService>(
    request: RequestResolver<Transport, Part<Bytes>>,
    mut ended: BoxFuture<'static, ()>,
    stream: Arc<Stream>,
    in_flight: Weak<()>,
    exchange: Arc<Exchange<S>>,
    peer: Address,
) {
    let (request, http) = match request.resolve_request().await {
        Ok(resolved) => resolved,
        Err(error) => return tracing::debug!(%error, "an HTTP/3 request ended before its head"),
    };
    let in_flight = in_flight.upgrade();
    let (send, receive) = http.split();
    let mut outgoing = Outgoing { http: send, stream, is_ended: false };
    let Some(length) = length(request.headers()).filter(|_| is_well_formed(&request)) else {
        outgoing.stream.answered();
        return outgoing.http.stop_stream(Code::H3_MESSAGE_ERROR);
    };
    let is_to_head = *request.method() == Method::HEAD;
    let body = Received::new(receive, length);
    let watch = outgoing.stream.watch().clone();
    let request = request.map(|()| RequestBody::new(Incoming::Other(Box::new(body)), &watch));
    let response = exchange.start(request, watch.clone());
    let response = StreamResponse::new(response, outgoing.stream.clone(), is_to_head, peer);
    let sent = race(ended.as_mut(), outgoing.send(response)).await;
    if let First::Right(Some(body)) = sent {
        drop(in_flight);
        // The body keeps the state of the stream until the client has all bytes, so that their timeout
        // applies.
        watch.set_write_blocked(true);
        ended.await;
        outgoing.is_ended = true;
        drop(body);
    }
}

/// Returns the announced length of a body, or `None` if it is not valid.
fn length(headers: &HeaderMap) -> Option<Option<u64>> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else { return Some(None) };
    let is_number = lengths.next().is_none() && length.as_bytes().iter().all(u8::is_ascii_digit);
    length.to_str().ok().filter(|_| is_number)?.parse().ok().map(Some)
}

/// Returns whether a head has what its method needs (RFC 9114, sections 4.3.1 and 4.4), and only fields that
/// are allowed.
fn is_well_formed(request: &http::Request<()>) -> bool {
    let uri = request.uri();
    let has_target = match *request.method() {
        Method::CONNECT => uri.scheme().is_none() && uri.path_and_query().is_none(),
        _ => uri.scheme().is_some() && uri.path_and_query().is_some(),
    };
    has_target && has_only_allowed(request.headers())
}

fn has_only_allowed(fields: &HeaderMap) -> bool {
    !FORBIDDEN.iter().any(|name| fields.contains_key(name)) && fields.get_all(TE).iter().all(|te| te == "trailers")
}

/// A response on its way. Resets the stream if it is dropped before the client has all bytes.
struct Outgoing {
    http: RequestStream<Send<Part<Bytes>>, Part<Bytes>>,
    stream: Arc<Stream>,
    is_ended: bool,
}

impl Outgoing {
    /// Sends a response. Returns its body after the end, or `None` if it has failed.
    async fn send<F, B, D, E>(&mut self, response: F) -> Option<Pin<Box<B>>>
    where
        F: Future<Output = Result<Response<B>, E>>,
        B: Body<Data = Part<D>>,
        D: Buf,
    {
        let (head, body) = response.await.ok()?.into_parts();
        let (mut head, mut body) = (Response::from_parts(head, ()), Box::pin(body));
        if let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(SystemTime::now())) {
            head.headers_mut().entry(DATE).or_insert(date);
        }
        // The client may refuse even the bytes of the head.
        self.stream.hand_out();
        self.http.send_response(head).await.ok()?;
        self.stream.take_back();
        while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            match frame.ok()?.into_data().map_err(Frame::into_trailers) {
                Ok(part) => self.http.send_data(part.into_bytes()).await.ok()?,
                Err(Ok(trailers)) => self.http.send_trailers(trailers).await.ok()?,
                Err(Err(_)) => {}
            }
        }
        self.http.finish().await.ok()?;
        Some(body)
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        if !self.is_ended {
            self.http.stop_stream(Code::H3_INTERNAL_ERROR);
        }
    }
}

/// The body of a request.
struct Received {
    http: RequestStream<Receive, Part<Bytes>>,
    /// What has arrived with the head.
    first: Option<Result<Frame<Bytes>, BodyError>>,
    /// How many bytes of the announced length are to come. quinn and h3 do not check it.
    left: Option<u64>,
    /// All data has arrived; trailers may follow.
    is_at_trailers: bool,
    is_ended: bool,
}

impl Received {
    fn new(http: RequestStream<Receive, Part<Bytes>>, length: Option<u64>) -> Received {
        let mut body = Received { http, first: None, left: length, is_at_trailers: false, is_ended: false };
        // Finds out whether there is a body. The reader of the body polls again with its own waker.
        if let Poll::Ready(Some(first)) = body.poll(&mut Context::from_waker(Waker::noop())) {
            body.first = Some(first);
        }
        body
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.is_ended {
            return Poll::Ready(None);
        }
        if !self.is_at_trailers {
            match ready!(self.http.poll_recv_data(cx)) {
                Ok(Some(mut data)) => return Poll::Ready(Some(self.take(data.copy_to_bytes(data.remaining())))),
                Ok(None) => self.is_at_trailers = true,
                Err(error) => return Poll::Ready(Some(Err(failure(&error)))),
            }
        }
        let trailers = ready!(self.http.poll_recv_trailers(cx));
        self.is_ended = true;
        Poll::Ready(match trailers {
            Err(error) => Some(Err(failure(&error))),
            Ok(_) if self.left.is_some_and(|left| left > 0) => Some(Err(BodyError::Malformed)),
            Ok(Some(trailers)) if !has_only_allowed(&trailers) => Some(Err(BodyError::Malformed)),
            Ok(trailers) => trailers.map(|trailers| Ok(Frame::trailers(trailers))),
        })
    }

    fn take(&mut self, data: Bytes) -> Result<Frame<Bytes>, BodyError> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(data.len() as u64).ok_or(BodyError::Malformed)?;
        }
        Ok(Frame::data(data))
    }
}

fn failure(error: &StreamError) -> BodyError {
    match error {
        StreamError::StreamError { .. } | StreamError::HeaderTooBig { .. } => BodyError::Malformed,
        // `transport.rs` refuses malformed trailers so.
        StreamError::RemoteTerminate { code: Code::H3_MESSAGE_ERROR, .. } => BodyError::Malformed,
        _ => BodyError::ClientGone,
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(first)),
            None => self.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_ended && self.first.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().and_then(|first| first.as_ref().ok()?.data_ref()).map_or(0, Bytes::len);
        self.left.map_or(SizeHint::default(), |left| SizeHint::with_exact(left + first as u64))
    }
}
