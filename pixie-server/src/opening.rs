//! What happens between the accept and the first request: the PROXY protocol and the TLS handshake.
//!
//! A connection without either of them does not come here. The whole opening has one time limit. Invariant: a
//! silent client holds its place and a few bytes, and it makes room for others like an idle connection.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use tokio::time::timeout;

use crate::{
    Address, Config, Connection, Counters, Throttle, TlsSession,
    clients::Client,
    closing::{REFUSAL_TIMEOUT, refuse},
    listen::{Entry, Failed, Secure},
    places::{Place, Places},
    proxy_protocol,
    race::{First, race},
    registry::Registry,
    stream::Stream,
    watch::{Stage, Watch},
};

/// The part of all handshakes that is closed for a further one, so that a flood of silent clients does not
/// cause a search for each of them.
const CLOSED_SHARE: usize = 16;

/// What the connections of one server share.
#[derive(Clone)]
pub(crate) struct Common {
    pub(crate) registry: Arc<Registry>,
    pub(crate) places: Arc<Places>,
    pub(crate) openings: Arc<Openings>,
    pub(crate) counters: Counters,
}

/// What the openings of one server share.
pub(crate) struct Openings {
    timeout: Duration,
    handshakes_max: usize,
    handshakes: AtomicUsize,
    counters: Counters,
}

/// A connection that was accepted.
pub(crate) struct Opening {
    pub(crate) stream: Stream,
    pub(crate) connection: Connection,
    pub(crate) place: Place,
}

impl Openings {
    pub(crate) fn new(config: &Config, counters: &Counters) -> Openings {
        let handshakes_max = config.handshakes_max.max(1);
        Openings {
            timeout: config.handshake_timeout,
            handshakes_max,
            handshakes: AtomicUsize::new(0),
            counters: counters.clone(),
        }
    }

    /// Returns the connection when it is ready for requests. Returns `None` if it has to be closed.
    pub(crate) async fn open(
        &self,
        mut opening: Opening,
        entry: &Entry,
        (places, registry): (&Places, &Registry),
        watch: &Watch,
    ) -> Option<Opening> {
        let peer = opening.connection.peer.clone();
        let steps = async {
            if entry.is_proxy(&peer)
                && let Some(client) = proxy_protocol::read(&mut opening.stream).await?
            {
                opening.connection.peer = client.into();
                let client = Client::at(client.ip());
                if !places.attribute(&mut opening.place, client, registry) {
                    if entry.tls.is_none() {
                        refuse(opening.stream, REFUSAL_TIMEOUT).await;
                    }
                    return Err(Failed::Left);
                }
                client.into_iter().for_each(|client| watch.set_client(client));
            }
            if let Some(tls) = &entry.tls {
                let (stream, session) = self.secure(opening.stream, &**tls, registry).await?;
                opening.stream = stream;
                opening.connection.tls = Some(Arc::new(session));
            }
            Ok(opening)
        };
        match race(is_ended(watch), timeout(self.timeout, steps)).await {
            First::Right(Ok(Ok(opening))) => Some(opening),
            First::Right(Ok(Err(Failed::Wrong(reason)))) => {
                log(&peer, &reason);
                None
            }
            First::Right(Err(_)) => {
                let what = if entry.tls.is_some() { "TLS handshake" } else { "header of the PROXY protocol" };
                log(&peer, &format!("its {what} was not complete within {:?}", self.timeout));
                None
            }
            _ => None,
        }
    }

    /// Makes the handshake of a connection that is not a stream of bytes. Returns `None` if it fails or has
    /// to end.
    #[cfg(feature = "http3")]
    pub(crate) async fn handshake<T>(
        &self,
        peer: &Address,
        registry: &Registry,
        watch: &Watch,
        handshake: impl Future<Output = Result<T, Failed>>,
    ) -> Option<T> {
        let mut running = Running::begin(self, registry);
        match race(is_ended(watch), timeout(self.timeout, handshake)).await {
            First::Right(Ok(Ok(opened))) => {
                running.succeeded = true;
                Some(opened)
            }
            First::Right(Ok(Err(Failed::Wrong(reason)))) => {
                log(peer, &reason);
                None
            }
            _ => None,
        }
    }

    /// Returns whether so many handshakes run that clients have to prove their addresses.
    #[cfg(feature = "http3")]
    pub(crate) fn are_many(&self) -> bool {
        self.handshakes.load(Relaxed) >= self.handshakes_max / 4
    }

    async fn secure(
        &self,
        stream: Stream,
        tls: &dyn Secure,
        registry: &Registry,
    ) -> Result<(Stream, TlsSession), Failed> {
        let mut running = Running::begin(self, registry);
        let secured = tls.handshake(stream).await;
        running.succeeded = secured.is_ok();
        secured
    }
}

/// A handshake, counted when this value is dropped.
struct Running<'o> {
    openings: &'o Openings,
    succeeded: bool,
}

impl Running<'_> {
    /// Begins a handshake. If there are too many, the connections that have waited longest are closed.
    fn begin<'o>(openings: &'o Openings, registry: &Registry) -> Running<'o> {
        if openings.handshakes.fetch_add(1, Relaxed) >= openings.handshakes_max {
            registry.close_silent(openings.handshakes_max / CLOSED_SHARE + 1);
        }
        Running { openings, succeeded: false }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.openings.handshakes.fetch_sub(1, Relaxed);
        self.openings.counters.note_handshake(self.succeeded);
    }
}

/// Waits until the sweeper or a shutdown ends the connection.
pub(crate) async fn is_ended(watch: &Watch) {
    poll_fn(|cx| {
        watch.set_task(cx);
        match watch.stage() >= Stage::Draining || watch.timeout().is_some() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await
}

/// Writes a line to the log, unless there was one a moment ago. Then the next line has the number of those
/// that were left out.
fn log(peer: &Address, reason: &str) {
    static LINES: Throttle = Throttle::of_refusals();
    if let Some(unlogged) = LINES.due() {
        tracing::info!(%peer, unlogged, "closed a connection: {reason}");
    }
}
