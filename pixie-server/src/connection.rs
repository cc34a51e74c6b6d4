//! One accepted connection from its first byte to the closed socket.
//!
//! hyper speaks HTTP; here it is driven, told to finish, or taken apart when the sweeper has passed a verdict. Every
//! connection is a task of its own, so a panic in a service ends this connection and nothing else.

use std::{
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::{Duration, SystemTime},
};

use hyper::server::conn::http1::{Builder, UpgradeableConnection};
use hyper_util::rt::TokioIo;

use crate::{
    HttpService,
    exchange::Exchange,
    race::race,
    socket::Socket,
    watch::{Body, Phase, Stage, Verdict, Watch},
};

/// How long the rest of a refused request is read before the socket is closed, so that the client sees the refusal.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(1);

/// Who talks to whom on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connection {
    /// The client's end; a proxy's, if one stands between.
    pub peer: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
}

impl Connection {
    pub(crate) fn new(peer: SocketAddr, local: SocketAddr) -> Connection {
        Connection { peer, local }
    }
}

type Http<S> = UpgradeableConnection<TokioIo<Socket>, Exchange<S>>;

/// How a connection came to its end.
enum End {
    /// HTTP came to its end, orderly or not.
    Http(hyper::Result<()>),
    /// The head did not come in time.
    HeadTimeout,
    /// Nobody waits for a word from us.
    Silent,
}

/// Serves requests until either side ends the connection.
pub(crate) async fn drive<S: HttpService>(http: Builder, socket: Socket, service: S, watch: Arc<Watch>) {
    let exchange = Exchange::new(service, watch.clone());
    let mut http: Http<S> = http.serve_connection(TokioIo::new(socket), exchange).with_upgrades();
    let mut draining = false;
    let end = poll_fn(|cx| {
        watch.driven_by(cx);
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
    watch.enter(Phase::Over);
    let Some(parts) = http.into_parts() else {
        return;
    };
    close(end, parts.io.into_inner(), &watch).await;
}

/// What the sweeper or a shutdown wants, asked after HTTP had its chance to move on.
fn ended_by_order(watch: &Watch) -> Poll<End> {
    if watch.stage() == Stage::Cut {
        return Poll::Ready(End::Silent);
    }
    match watch.verdict() {
        Some(Verdict::Head) => Poll::Ready(End::HeadTimeout),
        Some(_) => Poll::Ready(End::Silent),
        None => Poll::Pending,
    }
}

async fn close(end: End, socket: Socket, watch: &Watch) {
    let unread = match end {
        End::Silent => false,
        End::HeadTimeout => {
            socket.say_goodbye(request_timeout().as_bytes());
            true
        }
        End::Http(result) => {
            if let Err(error) = &result {
                tracing::debug!(%error, "connection ended");
            }
            result.is_err_and(|error| error.is_parse()) || matches!(watch.body(), Body::Abandoned | Body::TimedOut)
        }
    };
    if unread {
        race(socket.discard_rest(), tokio::time::sleep(DISCARD_TIMEOUT)).await;
    }
}

/// hyper answers every other refusal itself, but it has no way to be told of this one.
fn request_timeout() -> String {
    let date = httpdate::fmt_http_date(SystemTime::now());
    format!("HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\ndate: {date}\r\n\r\n")
}
