//! One accepted connection, from its first byte to the closed socket.
//!
//! hyper implements HTTP. This module polls hyper, starts its graceful shutdown, and closes the connection
//! when the sweeper reports a timeout. Every connection has its own task, so a panic in a service ends only
//! this connection.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::Poll,
};

use crate::{
    Address, Config, HttpService, TlsSession,
    closing::{DISCARD_TIMEOUT, discard_rest, send_last},
    config::{HEADERS_MAX, HEADERS_MOST},
    counters::Protocol,
    exchange::{Exchange, RequestLimits},
    http2::{self, Http2Server},
    listen::Entry,
    race::race,
    refusal::Refusal,
    socket::Socket,
    watch::{BodyPhase, Phase, Stage, Timeout, Watch},
};
use hyper::server::conn::http1::{Builder, UpgradeableConnection};
use hyper_util::rt::TokioIo;

/// What the server knows about a connection before its first request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connection {
    /// The address of the client, or of the proxy in front of this server unless the proxy names its client
    /// by the PROXY protocol ([`Listen::proxy_protocol`](crate::Listen::proxy_protocol)).
    pub peer: Address,
    /// The address of this server.
    pub local: Address,
    /// What TLS has agreed on. `None` if the connection is not secured.
    pub tls: Option<Arc<TlsSession>>,
}

type Http<S> = UpgradeableConnection<TokioIo<Socket>, Exchange<S>>;

/// How a connection ended.
enum End {
    /// hyper ended it, with or without an error.
    Http(hyper::Result<()>),
    /// The head of a request was not complete in time; the client gets a 408.
    HeadTimeout,
    /// It is closed without a response.
    Silent,
}

/// The part of a server that is the same for all its connections.
pub(crate) struct Protocols {
    http1: Builder,
    http2: Http2Server,
    limits: RequestLimits,
}

impl Protocols {
    pub(crate) fn new(config: &Config) -> Protocols {
        let mut http1 = Builder::new();
        // A client that has ended its sending side may wait for the response; `socket.rs` finds out whether
        // it does.
        http1.max_header_size(config.head_bytes_max).half_close(true);
        if config.headers_max != HEADERS_MAX {
            http1.max_headers(config.headers_max.min(HEADERS_MOST));
        }
        Protocols { http1, http2: Http2Server::new(config), limits: RequestLimits::new(config) }
    }
}

/// What the first bytes of a connection say.
enum Start {
    Http1,
    Http2,
    /// The client has sent only a part of them.
    Slow,
    Closed,
}

/// Serves a connection. A connection without a byte has no buffers yet, because clients and attackers keep
/// many of them.
pub(crate) async fn serve<S: HttpService>(
    protocols: Arc<Protocols>,
    mut socket: Socket,
    service: S,
    entry: Arc<Entry>,
    watch: Arc<Watch>,
) {
    let start = poll_fn(|cx| {
        watch.set_task(cx);
        if let Poll::Ready(is_http2) = socket.poll_start(cx, http2::PREFACE_START) {
            return Poll::Ready(if is_http2 { Start::Http2 } else { Start::Http1 });
        }
        if watch.stage() >= Stage::Draining {
            return Poll::Ready(Start::Closed);
        }
        let end = if socket.has_started() { Start::Slow } else { Start::Closed };
        ended_by_order(&watch).map(|_| end)
    })
    .await;
    match start {
        Start::Http1 => {
            let exchange = Exchange::new(service, watch.clone(), protocols.limits, entry);
            Box::pin(drive(&protocols.http1, socket, exchange, watch)).await;
        }
        Start::Http2 => {
            socket.note_protocol(Protocol::Http2);
            let exchange = Exchange::new(service, watch.clone(), protocols.limits, entry);
            Box::pin(protocols.http2.serve(socket, exchange, watch)).await;
        }
        Start::Slow => Box::pin(close(End::HeadTimeout, socket, &watch, true)).await,
        Start::Closed => {}
    }
}

/// Serves requests until either side ends the connection.
async fn drive<S: HttpService>(http: &Builder, socket: Socket, exchange: Exchange<S>, watch: Arc<Watch>) {
    socket.note_protocol(Protocol::Http1);
    let mut http: Http<S> = http.serve_connection(TokioIo::new(socket), exchange).with_upgrades();
    let mut draining = false;
    let end = poll_fn(|cx| {
        watch.set_task(cx);
        if let Poll::Ready(result) = Pin::new(&mut http).poll(cx) {
            return Poll::Ready(End::Http(result));
        }
        if watch.stage() == Stage::Draining && !draining {
            draining = true;
            Pin::new(&mut http).graceful_shutdown();
            return Pin::new(&mut http).poll(cx).map(End::Http);
        }
        ended_by_order(&watch)
    })
    .await;
    let is_idle = watch.snapshot().is_idle();
    watch.enter(Phase::Ended);
    let Some(parts) = http.into_parts() else {
        return;
    };
    let mut socket = parts.io.into_inner();
    if let Some(refusal) = socket.refusal() {
        let refusal = refusal.of_head(&parts.read_buf, parts.service.uri_bytes_max());
        watch.set_refusal(refusal);
        send_last(socket.stream(), refusal.message().as_bytes());
    }
    close(end, socket, &watch, is_idle).await;
}

/// Returns ready if the sweeper or a shutdown ends the connection. Called only after hyper had a chance to
/// progress.
fn ended_by_order(watch: &Watch) -> Poll<End> {
    if watch.stage() == Stage::Cut {
        return Poll::Ready(End::Silent);
    }
    match watch.timeout() {
        Some(Timeout::Head) => Poll::Ready(End::HeadTimeout),
        Some(_) => Poll::Ready(End::Silent),
        None => Poll::Pending,
    }
}

async fn close(end: End, mut socket: Socket, watch: &Watch, is_idle: bool) {
    let unread = match end {
        End::Silent => {
            // Within a response, TLS must not report an end, so that the client notices that bytes are
            // missing.
            if is_idle {
                socket.stream().end();
            }
            false
        }
        End::HeadTimeout => {
            // hyper cannot be told to write this one.
            watch.set_refusal(Refusal::SLOW_HEAD);
            send_last(socket.stream(), Refusal::SLOW_HEAD.message().as_bytes());
            true
        }
        End::Http(result) => {
            if let Err(error) = &result {
                tracing::debug!(%error, "a connection ended with an error");
            }
            result.is_err_and(|error| error.is_parse())
                || matches!(watch.body(), BodyPhase::Abandoned | BodyPhase::TimedOut)
        }
    };
    if let Some(refusal) = watch.refusal() {
        refusal.log(socket.peer());
    }
    if unread {
        race(discard_rest(socket.stream()), tokio::time::sleep(DISCARD_TIMEOUT)).await;
    }
}
