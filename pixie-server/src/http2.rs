//! One HTTP/2 connection: its streams share a service, and each stream has a task and a watch of its own.
//!
//! hyper and h2 implement the protocol and bound its floods of frames. This module adds the limits that both
//! leave to their user: idle connections, canceled requests, requests of one connection, and the orderly end
//! with GOAWAY. `http2/stream.rs` is the task of a stream, and `http2/response.rs` the response on it.

pub(crate) mod response;
pub(crate) mod stream;

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use http::{
    HeaderValue, Method, Request,
    header::{CONNECTION, UPGRADE},
};
use hyper::{body::Incoming, server::conn::http2::Builder};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::sleep;

use self::{
    response::{ResponseBody, StreamResponse},
    stream::{Stream, Tasks},
};
use crate::{
    Address, Config, HttpService, RequestBody,
    closing::DISCARD_TIMEOUT,
    exchange::{BoxError, Exchange, RequestLimits},
    race::race,
    socket::Socket,
    watch::{Phase, Stage, Timeout, Watch},
};

/// The first bytes of the preface (RFC 9113, section 3.4). HTTP/1.1 has no method `PRI`.
pub(crate) const PREFACE_START: Option<[u8; 4]> = Some(*b"PRI ");

/// The largest window (RFC 9113, section 6.9.1).
const WINDOW_MAX: u32 = (1 << 31) - 1;
/// The ends of the range of `SETTINGS_MAX_FRAME_SIZE` (RFC 9113, section 6.5.2).
const FRAME_BYTES_MIN: u32 = 1 << 14;
const FRAME_BYTES_MAX: u32 = (1 << 24) - 1;

/// The part of a server that is the same for all its HTTP/2 connections.
pub(crate) struct Http2Server {
    http: Builder<Tasks>,
    limits: RequestLimits,
    cancels_max: u32,
}

impl Http2Server {
    pub(crate) fn new(config: &Config) -> Http2Server {
        let mut http = Builder::new(Tasks);
        http.timer(TokioTimer::new())
            .max_concurrent_streams(config.http2_streams_max)
            .max_pending_accept_reset_streams(config.http2_unseen_cancels_max)
            .max_local_error_reset_streams(config.http2_error_resets_max)
            .initial_stream_window_size(config.http2_stream_window.min(WINDOW_MAX))
            .initial_connection_window_size(config.http2_connection_window.min(WINDOW_MAX))
            .max_frame_size(config.http2_frame_bytes_max.clamp(FRAME_BYTES_MIN, FRAME_BYTES_MAX))
            .max_send_buf_size(config.http2_send_buffer_max as usize)
            .header_table_size(config.http2_header_table_bytes)
            // Above the limit of `head.rs`, whose 431 has a body.
            .max_header_list_size(u32::try_from(config.head_bytes_max.saturating_mul(2)).unwrap_or(u32::MAX))
            .keep_alive_interval(config.http2_ping_interval)
            .keep_alive_timeout(config.http2_ping_timeout)
            .enable_connect_protocol();
        if config.http2_adaptive_window {
            http.adaptive_window(true);
        }
        Http2Server { http, limits: RequestLimits::new(config), cancels_max: config.http2_cancels_max }
    }

    /// Serves streams until either side ends the connection.
    pub(crate) async fn serve<S: HttpService>(&self, mut socket: Socket, exchange: Exchange<S>, watch: Arc<Watch>) {
        let peer = socket.peer().clone();
        socket.discard_at_end();
        let streams = Streams { exchange, watch: watch.clone(), cancels_max: self.cancels_max, peer };
        let mut http = pin!(self.http.serve_connection(TokioIo::new(socket), streams));
        let mut is_leaving = false;
        let is_done = poll_fn(|cx| {
            watch.set_task(cx);
            loop {
                if let Poll::Ready(result) = http.as_mut().poll(cx) {
                    if let Err(error) = result {
                        tracing::debug!(%error, "an HTTP/2 connection ended with an error");
                    }
                    return Poll::Ready(true);
                }
                if watch.phase() == Phase::Ended {
                    return Poll::Ready(false);
                }
                let timeout = watch.timeout();
                if watch.stage() == Stage::Cut || watch.canceled() > self.cancels_max {
                    return Poll::Ready(true);
                }
                let leaves = watch.stage() != Stage::Serving || self.limits.are_reached(&watch);
                match timeout {
                    Some(Timeout::Idle) if !is_leaving => {}
                    Some(_) => return Poll::Ready(true),
                    None if leaves && !is_leaving => {}
                    None => return Poll::Pending,
                }
                is_leaving = true;
                watch.enter(Phase::Leaving);
                http.as_mut().graceful_shutdown();
            }
        })
        .await;
        if !is_done {
            // All is written, and the socket waits until the client has closed its side.
            race(http, sleep(DISCARD_TIMEOUT)).await;
        }
    }
}

/// The service of one connection, as hyper calls it.
struct Streams<S> {
    exchange: Exchange<S>,
    watch: Arc<Watch>,
    cancels_max: u32,
    peer: Address,
}

impl<S: HttpService> hyper::service::Service<Request<Incoming>> for Streams<S> {
    type Response = http::Response<ResponseBody<S::Body>>;
    type Error = BoxError;
    type Future = StreamResponse<S, S::Future, S::Body>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let stream = Stream::begin(&self.watch);
        let (is_to_head, switches) = (request.method() == Method::HEAD, as_upgrade(&mut request));
        if self.watch.canceled() > self.cancels_max {
            // The connection ends when hyper has read what has arrived.
            return StreamResponse::canceled(stream);
        }
        let request = request.map(|incoming| RequestBody::new(incoming, stream.watch()));
        let response = self.exchange.start(request, stream.watch().clone());
        StreamResponse::new(response, stream, is_to_head, self.peer.clone()).switching(switches)
    }
}

/// Gives a request for a WebSocket (RFC 8441, section 5) the form that it has in HTTP/1.1, so that a service
/// sees one form only. Returns whether the request is one.
fn as_upgrade<B>(request: &mut Request<B>) -> bool {
    let protocol = request.extensions().get::<hyper::ext::Protocol>();
    if !protocol.is_some_and(|protocol| protocol.as_str().eq_ignore_ascii_case("websocket")) {
        return false;
    }
    *request.method_mut() = Method::GET;
    request.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    request.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
    true
}
