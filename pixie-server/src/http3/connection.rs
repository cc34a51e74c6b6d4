//! One HTTP/3 connection: accepts its requests, and ends it in order with GOAWAY.

use std::{
    future::{Future, pending, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use tokio::time::{sleep, timeout};

use super::{stream, transport::Transport};
use crate::{
    Address, Config, HttpService,
    exchange::{Exchange, RequestLimits},
    http2::{response::Part, stream::Stream},
    opening::is_ended,
    race::{First, race},
    watch::{Phase, Stage, Timeout, Watch},
};

/// Limits how long a client may take to accept a GOAWAY and to receive it. A longer round trip loses requests
/// that cross it.
const GOAWAY_TIMEOUT: Duration = Duration::from_millis(200);
/// The requests that a client may still begin after the first GOAWAY, before it has received the frame.
const CROSSING_MAX: usize = 100;
/// Time in which a client that is alive confirms what it has received, also if some packets are lost: some
/// round trips, and long enough for a client with a short one to be busy.
const SILENCE: Duration = Duration::from_millis(500);
const SILENCE_ROUND_TRIPS: u32 = 3;

/// The limits that quinn does not check.
pub(super) struct Limits {
    pub(super) requests: RequestLimits,
    cancels_max: u32,
    /// Limits a head as h3 sees it, before the checks of `head.rs`, whose 431 has a body.
    head_bytes_max: u64,
}

impl Limits {
    pub(super) fn new(config: &Config) -> Limits {
        Limits {
            requests: RequestLimits::new(config),
            cancels_max: config.http2_cancels_max,
            head_bytes_max: config.head_bytes_max.saturating_mul(2) as u64,
        }
    }
}

/// What the client was told about the end of the connection.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Told {
    Nothing,
    /// Not to open further requests. Those that are on their way are served.
    Leave,
    /// Which request is the last.
    Last,
}

enum Next<R> {
    Request(R),
    Tell(Told),
    End,
}

/// Serves requests until either side ends the connection.
pub(super) async fn serve<S: HttpService>(
    quic: quinn::Connection,
    exchange: Arc<Exchange<S>>,
    peer: &Address,
    limits: &Limits,
    watch: &Arc<Watch>,
) {
    let mut builder = h3::server::builder();
    builder.max_field_section_size(limits.head_bytes_max).send_grease(false);
    // A compressed head is hardly ever longer than a plain one, but it can be.
    let transport = Transport::new(quic.clone(), limits.head_bytes_max.saturating_mul(2));
    let First::Right(Ok(mut http)) = race(is_ended(watch), builder.build::<_, Part<Bytes>>(transport)).await else {
        return;
    };
    // One more reference for each request that the service has, or whose response is being sent.
    let in_flight = Arc::new(());
    let mut told = Told::Nothing;
    loop {
        let leaving = async {
            match told {
                Told::Last => has_vanished(&quic, &in_flight).await,
                _ => pending().await,
            }
        };
        let next = match race(leaving, next(http.accept(), watch, limits, told)).await {
            First::Left(()) => Next::End,
            First::Right(next) => next,
        };
        match next {
            Next::Request(Ok(Some(request))) => {
                if let Some(ended) = http.inner.conn.take_ended() {
                    let (stream, in_flight) = (Stream::new(watch), Arc::downgrade(&in_flight));
                    let serving =
                        stream::serve(request, ended, stream.clone(), in_flight, exchange.clone(), peer.clone());
                    stream.spawn(serving);
                }
            }
            Next::Request(Ok(None)) | Next::End => return,
            Next::Request(Err(error)) => return tracing::debug!(%error, "an HTTP/3 connection ended with an error"),
            Next::Tell(now) => {
                if now == Told::Last {
                    http.inner.conn.close_for_requests();
                    watch.enter(Phase::Leaving);
                }
                // h3 counts from the last request that it has accepted.
                let goaway = http.shutdown(if now == Told::Last { 1 } else { CROSSING_MAX });
                if !matches!(timeout(GOAWAY_TIMEOUT, goaway).await, Ok(Ok(()))) {
                    return;
                }
                if now == Told::Last {
                    sleep(quic.rtt().min(GOAWAY_TIMEOUT)).await;
                }
                told = now;
            }
        }
    }
}

/// Waits until no request is in flight and the client does not confirm what it was sent. quinn repeats that
/// until the client answers or a timeout ends the connection, so a stop would wait for a client that has
/// vanished.
async fn has_vanished(quic: &quinn::Connection, in_flight: &Arc<()>) {
    let traffic = || {
        let stats = quic.stats();
        (stats.udp_rx.datagrams, stats.frame_tx.stream + stats.frame_tx.ping)
    };
    let (mut seen, mut is_asked) = (traffic(), false);
    loop {
        sleep(SILENCE.max(quic.rtt() * SILENCE_ROUND_TRIPS)).await;
        let (received, sent) = traffic();
        let is_silent = received == seen.0;
        if is_silent && is_asked && Arc::strong_count(in_flight) == 1 {
            return;
        }
        is_asked = is_silent && (is_asked || sent > seen.1);
        seen = (received, sent);
    }
}

async fn next<R>(accept: impl Future<Output = R>, watch: &Watch, limits: &Limits, told: Told) -> Next<R> {
    let mut accept = pin!(accept);
    poll_fn(|cx| match order(watch, limits, told) {
        Some(next) => Poll::Ready(next),
        None => accept.as_mut().poll(cx).map(Next::Request),
    })
    .await
}

/// Returns what has to be done before the next request, if anything.
fn order<R>(watch: &Watch, limits: &Limits, told: Told) -> Option<Next<R>> {
    if watch.stage() == Stage::Cut || watch.canceled() > limits.cancels_max {
        return Some(Next::End);
    }
    let is_last = told == Told::Last;
    match watch.timeout() {
        Some(Timeout::Idle) if !is_last => return Some(Next::Tell(Told::Last)),
        Some(_) => return Some(Next::End),
        None if is_last => return (watch.snapshot().streams == 0).then_some(Next::End),
        None => {}
    }
    let wanted = match watch.stage() {
        _ if limits.requests.are_reached(watch) => Told::Last,
        Stage::Serving => Told::Nothing,
        // Before the first request, h3 would name that one as refused, and serve it.
        Stage::Closing if watch.requests() == 0 => Told::Nothing,
        Stage::Closing => Told::Leave,
        _ => Told::Last,
    };
    (wanted > told).then_some(Next::Tell(wanted))
}
