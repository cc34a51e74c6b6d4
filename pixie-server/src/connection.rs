//! One accepted connection, from its first byte to the closed socket.
//!
//! hyper implements HTTP. This module polls hyper, starts its graceful shutdown, and closes the connection
//! when the sweeper reports a timeout. Every connection has its own task, so a panic in a service ends only
//! this connection.

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
    watch::{BodyPhase, Phase, Stage, Timeout, Watch},
};

/// Limits how long the rest of a refused request is read before the socket is closed. Long enough for the
/// client to read the response; without this, the unread bytes would cause a reset.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(1);

/// The two addresses of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connection {
    /// The address of the client, or of the proxy in front of this server.
    pub peer: SocketAddr,
    /// The address of this server.
    pub local: SocketAddr,
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

/// Serves requests until either side ends the connection.
pub(crate) async fn drive<S: HttpService>(http: Builder, socket: Socket, service: S, watch: Arc<Watch>) {
    let exchange = Exchange::new(service, watch.clone());
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
    watch.enter(Phase::Ended);
    let Some(parts) = http.into_parts() else {
        return;
    };
    close(end, parts.io.into_inner(), &watch).await;
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

async fn close(end: End, socket: Socket, watch: &Watch) {
    let unread = match end {
        End::Silent => false,
        End::HeadTimeout => {
            socket.send_last(request_timeout().as_bytes());
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
    if unread {
        race(socket.discard_rest(), tokio::time::sleep(DISCARD_TIMEOUT)).await;
    }
}

/// Returns the bytes of a 408. hyper writes all other refusals, but it cannot be told to write this one.
fn request_timeout() -> String {
    let date = httpdate::fmt_http_date(SystemTime::now());
    format!("HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\ndate: {date}\r\n\r\n")
}
