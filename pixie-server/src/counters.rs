//! `Counters`: how many connections and handshakes a server has had, for metrics and status pages.
//!
//! Invariant: each number is read on its own, so two of them can be of slightly different moments.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// What servers count. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Counters(Arc<Numbers>);

#[derive(Debug, Default)]
struct Numbers {
    open: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
    handshakes: AtomicU64,
    handshakes_failed: AtomicU64,
    protocols: [AtomicU64; Protocol::ALL.len()],
}

/// What a client speaks over a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// HTTP/1.0 and HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
    /// HTTP/3.
    Http3,
    /// WebSocket, over any version of HTTP. Such a connection, or stream, counts for its HTTP version too.
    WebSocket,
}

impl Protocol {
    /// All protocols.
    pub const ALL: [Protocol; 4] = [Protocol::Http1, Protocol::Http2, Protocol::Http3, Protocol::WebSocket];

    /// Returns the name for labels of metrics, such as `http1`.
    pub const fn name(self) -> &'static str {
        match self {
            Protocol::Http1 => "http1",
            Protocol::Http2 => "http2",
            Protocol::Http3 => "http3",
            Protocol::WebSocket => "websocket",
        }
    }
}

/// A connection, counted as open until this value is dropped.
#[derive(Debug)]
pub(crate) struct OpenConnection(Counters);

impl Counters {
    /// Returns the connections that are open.
    pub fn open(&self) -> u64 {
        self.0.open.load(Relaxed)
    }

    /// Returns the connections that were accepted and served.
    pub fn accepted(&self) -> u64 {
        self.0.accepted.load(Relaxed)
    }

    /// Returns the connections that were refused with 503, or closed, because there was no place for them.
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Relaxed)
    }

    /// Returns the TLS handshakes that succeeded.
    pub fn handshakes(&self) -> u64 {
        self.0.handshakes.load(Relaxed)
    }

    /// Returns the TLS handshakes that failed or took too long.
    pub fn handshakes_failed(&self) -> u64 {
        self.0.handshakes_failed.load(Relaxed)
    }

    /// Returns the connections whose client spoke this protocol.
    pub fn speaking(&self, protocol: Protocol) -> u64 {
        self.0.protocols[protocol as usize].load(Relaxed)
    }

    /// Counts the end of a TLS handshake.
    pub fn note_handshake(&self, succeeded: bool) {
        let counter = if succeeded { &self.0.handshakes } else { &self.0.handshakes_failed };
        counter.fetch_add(1, Relaxed);
    }

    /// Counts a connection whose client speaks this protocol.
    pub fn note_protocol(&self, protocol: Protocol) {
        self.0.protocols[protocol as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn refuse(&self) {
        self.0.refused.fetch_add(1, Relaxed);
    }

    pub(crate) fn accept(&self) -> OpenConnection {
        self.0.accepted.fetch_add(1, Relaxed);
        self.0.open.fetch_add(1, Relaxed);
        OpenConnection(self.clone())
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, Relaxed);
    }
}
