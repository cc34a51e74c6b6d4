//! HTTP/3 (feature `http3`): an endpoint on each UDP socket, which accepts connections until a shutdown.
//!
//! quinn implements QUIC and h3 the protocol. This module gives their connections the places, limits and
//! certificates that connections over TCP have. `http3/connection.rs` serves a connection, `http3/stream.rs`
//! a request, and `http3/transport.rs` joins quinn and h3. Invariant: the address of a client is proven
//! before it counts when there are many handshakes, so that forged addresses keep no place from others.

mod connection;
mod field_section;
mod frames;
mod stream;
mod transport;

use std::{convert::Infallible, future::pending, io, net::UdpSocket, sync::Arc, time::Duration};

use quinn::{
    ConnectionError, Endpoint, EndpointConfig, Incoming, ServerConfig, TokioRuntime, TransportConfig, VarInt,
    crypto::rustls::{HandshakeData, QuicServerConfig},
};
use rustls::pki_types::CertificateDer;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    Address, Config, Connection, Error, HttpService, Listen, TlsSession,
    clients::Client,
    counters::Protocol,
    exchange::Exchange,
    http3::connection::Limits,
    listen::{Entry, Failed, Secure},
    opening::Common,
    places::{Crowd, Place},
    race::race,
    udp::{self, Udp},
    watch::{Phase, Watch},
};

/// Time between two attempts to open a socket that the replaced process still uses. The system does not
/// report when the socket is free.
const RETRY: Duration = Duration::from_millis(100);
/// Limits the bytes that a client may send before its connection is accepted, which happens at once: some
/// packets.
const EARLY_BYTES_MAX: u64 = 16 * 1024;
/// Limits how long a stop waits until the last packets are sent.
const CLOSE_PATIENCE: Duration = Duration::from_millis(100);

impl Listen {
    /// Serves HTTP/3 too, on the UDP port with the same number, and announces it in the responses over TCP
    /// (`Alt-Svc`, RFC 7838). Needs [`tls`](Listen::tls). Experimental, because the crate h3 is.
    ///
    /// The limits and timeouts of HTTP/2 apply, also those whose name begins with `http2`. WebSockets stay on
    /// HTTP/1.1 and HTTP/2. Requests before the end of a handshake (0-RTT) are not accepted, because an
    /// attacker could repeat them.
    ///
    /// A process that is replaced by a new one with the same TCP sockets serves its requests of HTTP/3 to the
    /// end and closes its UDP socket. The new process serves HTTP/3 from then on; clients use TCP in between.
    pub fn http3(mut self) -> Listen {
        self.entry.http3 = Some(Arc::default());
        self
    }
}

/// The endpoints of a server.
pub(crate) struct Http3 {
    endpoints: JoinSet<()>,
    is_closing: watch::Sender<bool>,
}

impl Http3 {
    /// Starts an endpoint for each socket.
    pub(crate) fn serve<M, S>(udp: Vec<Udp>, config: &Config, common: &Common, make: &Arc<M>) -> Result<Http3, Error>
    where
        M: Fn(&Connection) -> S + Send + Sync + 'static,
        S: HttpService,
    {
        let mut http3 = Http3 { endpoints: JoinSet::new(), is_closing: watch::Sender::new(false) };
        let transport = Arc::new(transport(config));
        for Udp { address, socket, entry } in udp {
            let certificates = entry.tls.clone().and_then(|tls| Certificates::new(tls, config, &transport));
            let certificates = certificates.ok_or_else(|| udp::unusable(address))?;
            let limits = Arc::new(Limits::new(config));
            let door = Door { certificates, limits, common: common.clone(), make: make.clone() };
            let mut is_closing = http3.is_closing.subscribe();
            http3.endpoints.spawn(async move {
                let opened = async {
                    match socket {
                        Some(socket) => socket,
                        None => take_over(address).await,
                    }
                };
                // It fails only if the sender is dropped, which means the same.
                let closed = async { drop(is_closing.wait_for(|is_closing| *is_closing).await) };
                door.serve(opened, &entry, closed).await;
            });
        }
        Ok(http3)
    }

    /// Refuses new connections from now on.
    pub(crate) fn close(&self) {
        self.is_closing.send_replace(true);
    }

    /// Waits for a moment until the sockets are closed, so that clients get the end of their connections.
    pub(crate) async fn end(mut self) {
        let ended = async { while self.endpoints.join_next().await.is_some() {} };
        // What is not sent by then is lost, as any packet may be.
        let _ = timeout(CLOSE_PATIENCE, ended).await;
    }
}

/// Returns the socket when the process that this one replaces has closed its own.
async fn take_over(address: std::net::SocketAddr) -> UdpSocket {
    let mut is_logged = false;
    loop {
        sleep(RETRY).await;
        match udp::bind(address) {
            Ok(socket) => return socket,
            Err(error) if error.kind() != io::ErrorKind::AddrInUse && !is_logged => {
                is_logged = true;
                tracing::warn!("no HTTP/3 until this is mended: {}", udp::refused(address, &error));
            }
            Err(_) => {}
        }
    }
}

/// What accepts the connections of one socket.
struct Door<M> {
    certificates: Certificates,
    limits: Arc<Limits>,
    common: Common,
    make: Arc<M>,
}

impl<M, S> Door<M>
where
    M: Fn(&Connection) -> S + Send + Sync + 'static,
    S: HttpService,
{
    /// Accepts connections until `closed` is ready, and waits until the last one has ended.
    async fn serve(mut self, socket: impl Future<Output = UdpSocket>, entry: &Entry, closed: impl Future<Output = ()>) {
        let mut endpoint = None;
        let serving = async {
            let socket = socket.await;
            let port = socket.local_addr().map_or(0, |address| address.port());
            let config = EndpointConfig::default();
            let opened = Endpoint::new(config, Some((*self.certificates.quic).clone()), socket, Arc::new(TokioRuntime));
            match opened {
                Err(error) => tracing::warn!(%error, port, "cannot serve HTTP/3"),
                Ok(opened) => {
                    let _announced = entry.http3.as_ref().map(|http3| http3.announce(port));
                    self.accept_all(endpoint.insert(opened)).await;
                }
            }
            pending::<Infallible>().await
        };
        race(closed, serving).await;
        let Some(endpoint) = endpoint else { return };
        let refusing = async {
            while let Some(incoming) = endpoint.accept().await {
                incoming.refuse()
            }
        };
        race(endpoint.wait_idle(), async { (refusing.await, pending::<Infallible>().await) }).await;
    }

    async fn accept_all(&mut self, endpoint: &Endpoint) {
        let mut crowd = Crowd::default();
        let Common { registry, places, openings, counters } = self.common.clone();
        while let Some(incoming) = endpoint.accept().await {
            if (openings.are_many() || places.are_scarce()) && incoming.may_retry() {
                // The client has to repeat a token that only its real address receives. It fails only if it
                // may not.
                let _ = incoming.retry();
                continue;
            }
            let client = Client::at(incoming.remote_address().ip());
            match places.take(client, &registry, &mut crowd).await {
                Some(place) => self.start(incoming, client, place, endpoint),
                None => {
                    counters.refuse();
                    incoming.refuse();
                }
            }
        }
    }

    fn start(&mut self, incoming: Incoming, client: Option<Client>, place: Place, endpoint: &Endpoint) {
        let Ok(mut local) = endpoint.local_addr() else { return };
        incoming.local_ip().into_iter().for_each(|ip| local.set_ip(ip));
        let peer = Address::Ip(incoming.remote_address());
        let Common { registry, openings, .. } = self.common.clone();
        let (limits, make, quic) = (self.limits.clone(), self.make.clone(), self.certificates.newest());
        let open = Open { watch: registry.add(client), place };
        tokio::spawn(async move {
            let handshake = async { incoming.accept_with(quic).map_err(explain)?.await.map_err(explain) };
            let opened = openings.handshake(&peer, &registry, &open.watch, handshake).await;
            let Some(opened) = opened else { return };
            open.place.note_protocol(Protocol::Http3);
            let tls = Some(Arc::new(describe(&opened)));
            let service = make(&Connection { peer: peer.clone(), local: Address::Ip(local), tls });
            let exchange = Exchange::new(service, open.watch.clone(), limits.requests, Arc::default());
            connection::serve(opened, Arc::new(exchange), &peer, &limits, &open.watch).await;
        });
    }
}

/// A connection, which gives its place back when this value is dropped.
struct Open {
    watch: Arc<Watch>,
    place: Place,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.watch.enter(Phase::Closed);
    }
}

/// The certificates in the form that quinn needs.
struct Certificates {
    source: Arc<dyn Secure>,
    tls: Arc<rustls::ServerConfig>,
    quic: Arc<ServerConfig>,
}

impl Certificates {
    fn new(source: Arc<dyn Secure>, config: &Config, transport: &Arc<TransportConfig>) -> Option<Certificates> {
        let tls = source.quic()?;
        let mut quic = ServerConfig::with_crypto(cryptography(&tls)?);
        quic.transport_config(transport.clone())
            .max_incoming(config.handshakes_max)
            .incoming_buffer_size(EARLY_BYTES_MAX)
            .incoming_buffer_size_total(EARLY_BYTES_MAX.saturating_mul(config.handshakes_max as u64));
        Some(Certificates { source, tls, quic: Arc::new(quic) })
    }

    /// Returns what a new connection uses: the newest certificate.
    fn newest(&mut self) -> Arc<ServerConfig> {
        if let Some(tls) = self.source.quic().filter(|tls| !Arc::ptr_eq(tls, &self.tls))
            && let Some(crypto) = cryptography(&tls)
        {
            let mut quic = (*self.quic).clone();
            quic.crypto = crypto;
            (self.tls, self.quic) = (tls, Arc::new(quic));
        }
        self.quic.clone()
    }
}

/// Returns `None` if the provider of cryptography lacks the suite that QUIC begins with.
fn cryptography(tls: &Arc<rustls::ServerConfig>) -> Option<Arc<QuicServerConfig>> {
    let mut tls = (**tls).clone();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    // No 0-RTT, even if TLS over TCP allows it.
    tls.max_early_data_size = 0;
    QuicServerConfig::try_from(tls).ok().map(Arc::new)
}

fn transport(config: &Config) -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(config.http2_streams_max.into())
        .max_concurrent_uni_streams(transport::UNI_STREAMS_MAX.into())
        .stream_receive_window(config.http2_stream_window.into())
        .receive_window(config.http2_connection_window.into())
        .send_window(config.http3_send_window.into())
        .datagram_receive_buffer_size(None)
        .keep_alive_interval(config.http2_ping_interval);
    let silence = config.http2_ping_interval.map(|interval| interval.saturating_add(config.http2_ping_timeout));
    // quinn counts the time in milliseconds, below 2^62.
    let millis = silence.map(|time| VarInt::from_u64(time.as_millis() as u64).unwrap_or(VarInt::MAX));
    transport.max_idle_timeout(millis.map(Into::into));
    transport
}

/// Returns what a handshake has agreed on.
fn describe(connection: &quinn::Connection) -> TlsSession {
    let agreed = connection.handshake_data().and_then(|data| data.downcast::<HandshakeData>().ok());
    let chain = connection.peer_identity().and_then(|chain| chain.downcast::<Vec<CertificateDer<'static>>>().ok());
    TlsSession {
        is_http2: false,
        server_name: agreed.and_then(|agreed| agreed.server_name),
        client_certificates: chain.into_iter().flat_map(|chain| *chain).map(|der| der.to_vec()).collect(),
    }
}

/// Returns why a handshake has failed.
fn explain(error: ConnectionError) -> Failed {
    match error {
        ConnectionError::TransportError(_) | ConnectionError::ConnectionClosed(_) => {
            Failed::Wrong(format!("its QUIC handshake failed: {error}"))
        }
        _ => Failed::Left,
    }
}
