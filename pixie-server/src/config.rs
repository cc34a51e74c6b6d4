//! Every limit and timeout of the server, with the reason for its default.
//!
//! Each value bounds something that a client could otherwise make endless. Timeouts are checked a few times a
//! second (see `registry.rs`), so a timeout fires between its value and a quarter of a second later.
//! Invariant: a setting is one row of the table below; field, default, method, variable and reference page
//! follow from it.

use std::time::Duration;

use pixie_grammar::{ByteSize, settings};

/// The number of headers for which hyper needs no allocation.
pub(crate) const HEADERS_MAX: usize = 100;
/// Limits `headers_max`: the crate http cannot hold 25,000 headers, and hyper needs 32 bytes for each of the
/// limit.
pub(crate) const HEADERS_MOST: usize = 10_000;

settings! {
    /// How long the server waits for clients, and how much it accepts from them.
    ///
    /// ```
    /// use std::time::Duration;
    /// use pixie_server::Config;
    ///
    /// let config = Config::new().body_timeout(Duration::from_secs(10)).connections_max(500);
    /// # let _ = config;
    /// ```
    pub struct Config;

    /// Limits the time for the head of a request; after that the client gets a 408. For the first request of
    /// a connection the time counts from the accept, for the others from the first byte of the head. A
    /// connection without a single byte is closed without a response. An HTTP/2 connection has this time for
    /// its first request; then [`idle_timeout`](Config::idle_timeout) applies.
    ///
    /// Default: 30 s, as in hyper. A head fits into one packet, so a client that needs longer is hostile or
    /// broken.
    header_timeout = value(timeout: Duration) -> Duration: Duration::from_secs(30), range "1ms..";
    /// Limits how long a handler waits for more bytes of the request body; after that the body yields
    /// [`BodyError::Timeout`](crate::BodyError::Timeout).
    ///
    /// Default: 30 s, enough for a phone that changes its radio cell. The time of the whole upload is limited
    /// only by [`body_rate_min`](Config::body_rate_min).
    body_timeout = value(timeout: Duration) -> Duration: Duration::from_secs(30), range "1ms..";
    /// Sets how many bytes per second a client must send of a request body, on average over
    /// [`body_timeout`](Config::body_timeout); after that the body yields
    /// [`BodyError::Timeout`](crate::BodyError::Timeout). Only the time in which the handler waits for the
    /// client counts. 0 turns the minimum off.
    ///
    /// Default: 240 bytes per second, as in Kestrel: the slowest modems are faster, and a client that sends a
    /// byte at a time to occupy the server is not. Each stream of an HTTP/2 connection is measured alone.
    body_rate_min = value(bytes_per_second: u64) -> u64: 240;
    /// Limits how long a client may leave a response unread; after that the connection is closed, or the
    /// stream of an HTTP/2 connection is reset.
    ///
    /// Default: 60 s, as `send_timeout` of nginx. This does not limit a slow handler or a slow stream.
    write_timeout = value(timeout: Duration) -> Duration: Duration::from_secs(60), range "1ms..";
    /// Sets how many bytes per second a client must read of a response, on average over
    /// [`write_timeout`](Config::write_timeout); after that the connection is closed. Only the time in which
    /// bytes wait for the client counts, so a slow handler and a quiet stream are not affected. 0 turns the
    /// minimum off.
    ///
    /// Default: 240 bytes per second, as in Kestrel. The bytes that the system holds for the client count as
    /// read: on Linux what is on the way and up to 32 KiB, or 256 KiB of a client that has read faster than
    /// 1.6 MB/s until then; elsewhere up to some MB.
    write_rate_min = value(bytes_per_second: u64) -> u64: 240;
    /// Limits how long a connection may be idle, between two requests and before the first one (there
    /// [`header_timeout`](Config::header_timeout) applies too); after that it is closed without a response.
    /// An HTTP/2 connection is idle while it has no stream; it is closed with GOAWAY, and pings do not keep
    /// it open.
    ///
    /// Default: 75 s, as nginx. Most load balancers close after 60 s, so they close first and do not send a
    /// request on a connection that the server is closing.
    idle_timeout = value(timeout: Duration) -> Duration: Duration::from_secs(75), range "1ms..";
    /// Limits the time from the head of a request to the head of its response, with the time in which the
    /// body arrives. If the service waits for the body then, the body yields
    /// [`BodyError::Timeout`](crate::BodyError::Timeout), and the client gets a 408, because the client is
    /// late. Otherwise the service is late: its future is dropped, and the client gets a 504. The body of a
    /// response and an upgraded connection may take as long as they need. `None` turns the limit off.
    ///
    /// Default: 1 hour, enough for an upload of 2 GiB at 5 Mbit/s. The routes of an app have shorter
    /// deadlines for their handlers.
    request_timeout = value(timeout: impl Into<Option<Duration>>) -> Option<Duration>: Some(Duration::from_secs(60 * 60)), range "1ms..";
    /// Limits the requests of one connection. The response to the last one has `Connection: close`; an HTTP/2
    /// client gets GOAWAY, and the streams that it has opened by then are served.
    ///
    /// Default: `None`, no limit, because the memory of a connection does not grow with time. A limit makes
    /// the clients of a load balancer for connections find new servers.
    requests_per_connection_max = value(count: impl Into<Option<u32>>) -> Option<u32>: None, range "1..";
    /// Limits the target of a request, in bytes; for a longer one the client gets a 414. A target of HTTP/1.1
    /// cannot be longer than 65,534 bytes; that of HTTP/2 and HTTP/3 is the path and the query.
    ///
    /// Default: 8 KiB, as in nginx and Apache. RFC 9110, section 4.1, recommends at least 8,000 bytes.
    uri_bytes_max = bytes(size: impl Into<ByteSize>) -> usize: 8 * 1024, range "256B..";
    /// Limits the headers of a request, at most 10,000; for more of them the client gets a 431.
    ///
    /// Default: 100, as in hyper and Apache. Another value costs one allocation for each request of HTTP/1.1.
    headers_max = value(count: usize) -> usize: HEADERS_MAX, range "1..10000";
    /// Limits the request line and the headers together, in bytes; for a longer head the client gets a 431.
    /// In HTTP/2, each header counts with 32 bytes more (RFC 9113, section 6.5.2).
    ///
    /// Default: 32 KiB, as the four buffers of 8 KiB in nginx: enough for many cookies.
    head_bytes_max = bytes(size: impl Into<ByteSize>) -> usize: 32 * 1024, range "256B..";
    /// Limits the open connections of one [`serve`](crate::Server::serve), at most three quarters of the open
    /// files that the system allows ([`raise_open_files_limit`](crate::raise_open_files_limit)). The rest of
    /// the files is for responses, uploads and workers.
    ///
    /// For a further client, the server closes the connections without a running request that have been idle
    /// longest, and logs a warning. If every connection has a running request for one second, further clients
    /// get a 503 with `Retry-After`.
    ///
    /// Default: 10 000. A connection needs about 2 KiB of memory before its first byte and about 25 KiB from
    /// then on.
    connections_max = value(count: usize) -> usize: 10_000, range "1..";
    /// Limits the open connections of one client: an IPv4 address, or an IPv6 network of 64 bits. For a
    /// further one, the server closes the client's connection that has been idle longest; if all have a
    /// running request, the client gets a 503 with `Retry-After`. Loopback addresses have no limit, because a
    /// proxy on the same machine brings all clients from there.
    ///
    /// Default: half of [`connections_max`](Config::connections_max), so that one client cannot take all of
    /// them. Set it to `connections_max` behind a single proxy on another machine, and lower it if clients
    /// connect directly.
    connections_per_client_max = value(count: impl Into<Option<usize>>) -> Option<usize>: None, range "1..", default "half of `connections_max`";
    /// Limits the time from the accept of a connection to the end of its TLS handshake, together with the
    /// header of the PROXY protocol; after that the connection is closed.
    ///
    /// Default: 10 s. A handshake takes two round trips, so a client that needs longer is hostile or gone.
    handshake_timeout = value(timeout: Duration) -> Duration: Duration::from_secs(10), range "1ms..";
    /// Limits the TLS handshakes that run at the same time. For a further one, the server closes the
    /// connections that have sent no request for longest, so that silent clients do not keep others out.
    ///
    /// Default: 1024, as many as connections wait in the kernel. A handshake needs about 25 KiB of memory.
    handshakes_max = value(count: usize) -> usize: 1024, range "1..";
    /// Sets how long the server still accepts connections after a shutdown begins, so that load balancers can
    /// notice and send new ones elsewhere.
    ///
    /// Default: 0.
    close_delay = value(time: Duration) -> Duration: Duration::ZERO;
    /// Sets how long open connections still get responses (with `Connection: close`) after a shutdown begins,
    /// before the idle ones are closed.
    ///
    /// Default: 50 ms. In a measurement, some clients that were just sending a request lost it at 0 ms; from
    /// 20 ms on no request was lost.
    linger = value(time: Duration) -> Duration: Duration::from_millis(50);
    /// Limits how long a shutdown waits for running requests before it closes their connections.
    ///
    /// Default: 10 s, the time that container runtimes wait between SIGTERM and SIGKILL.
    shutdown_grace = value(time: Duration) -> Duration: Duration::from_secs(10);
    /// Limits the requests of an HTTP/2 connection that run at the same time
    /// (`SETTINGS_MAX_CONCURRENT_STREAMS`). The server refuses further ones with `RST_STREAM`, and clients
    /// send them later. Needs the feature `http2`, as all settings whose name begins so.
    ///
    /// Default: 100, the least that RFC 9113, section 6.5.2, recommends, and enough for a browser.
    http2_streams_max = value(count: u32) -> u32: 100, range "1..";
    /// Limits how many running requests an HTTP/2 client may cancel within ten seconds; then the connection
    /// is closed. A canceled request is cheap for its client but may have started a worker (rapid reset,
    /// CVE-2023-44487).
    ///
    /// Default: 200, twice [`http2_streams_max`](Config::http2_streams_max): a browser that leaves a page
    /// cancels all of its requests.
    http2_cancels_max = value(count: u32) -> u32: 200;
    /// Limits the HTTP/2 requests that were canceled before the server has seen them; then the connection is
    /// closed with GOAWAY.
    ///
    /// Default: 20, as in the crate h2.
    http2_unseen_cancels_max = value(count: usize) -> usize: 20;
    /// Limits the HTTP/2 streams that the server has reset because of errors of the client; then the
    /// connection is closed with GOAWAY.
    ///
    /// Default: 1024, as in hyper.
    http2_error_resets_max = value(count: usize) -> usize: 1024;
    /// Sets how many bytes of one request body an HTTP/2 client may send before the handler reads them, at
    /// most 2 GiB.
    ///
    /// Default: 256 KiB. At a round trip of 100 ms an upload gets 2.5 MB per second; a larger window makes it
    /// faster and costs memory.
    http2_stream_window = bytes(size: impl Into<ByteSize>) -> u32: 256 * 1024, range "16KiB..2GiB";
    /// Sets how many bytes of all request bodies of a connection an HTTP/2 client may send before handlers
    /// read them, at most 2 GiB.
    ///
    /// Default: 1 MiB, so that a handler that does not read its body cannot stop the other uploads of its
    /// connection.
    http2_connection_window = bytes(size: impl Into<ByteSize>) -> u32: 1024 * 1024, range "16KiB..2GiB";
    /// Sets whether both windows follow the measured bandwidth and delay of each connection, from 64 KiB to
    /// 16 MiB, in place of fixed windows.
    ///
    /// Default: off, because the client then decides how much memory its connection needs.
    http2_adaptive_window = value(adaptive: bool) -> bool: false;
    /// Limits the frames that an HTTP/2 client may send, from 16 KiB to 16 MiB (`SETTINGS_MAX_FRAME_SIZE`).
    ///
    /// Default: 16 KiB, the least that RFC 9113 allows. Larger frames let an upload delay other streams.
    http2_frame_bytes_max = bytes(size: impl Into<ByteSize>) -> u32: 16 * 1024, range "16KiB..16MiB";
    /// Limits the bytes of one HTTP/2 response that wait in the server until the client takes them. A part of
    /// a body is buffered as a whole.
    ///
    /// Default: 64 KiB, as much as a part of a file.
    http2_send_buffer_max = bytes(size: impl Into<ByteSize>) -> u32: 64 * 1024, range "16KiB..";
    /// Limits the table with which an HTTP/2 client compresses its heads (`SETTINGS_HEADER_TABLE_SIZE`).
    ///
    /// Default: 4 KiB, as in RFC 9113. Each connection may use this memory.
    http2_header_table_bytes = bytes(size: impl Into<ByteSize>) -> u32: 4 * 1024;
    /// Sets after which time without a frame the server sends a ping to an HTTP/2 client, to find clients
    /// that have disappeared without a word. `None` turns pings off.
    ///
    /// Default: 60 s. Without pings, the system finds such a client after 15 minutes, and only if there is
    /// something to send.
    http2_ping_interval = value(interval: impl Into<Option<Duration>>) -> Option<Duration>: Some(Duration::from_secs(60)), range "1s..";
    /// Limits how long an HTTP/2 client may take to answer a ping; then the connection is closed.
    ///
    /// Default: 20 s, as in hyper. A phone that changes its radio cell answers within it.
    http2_ping_timeout = value(timeout: Duration) -> Duration: Duration::from_secs(20), range "1ms..";
    /// Limits the bytes of all responses of an HTTP/3 connection that the client has not confirmed. Needs the
    /// feature `http3`. HTTP/3 has no other settings of its own: those of HTTP/2 apply to its streams,
    /// windows, pings and canceled requests too.
    ///
    /// Default: 256 KiB. At a round trip of 100 ms a client gets 2.5 MB per second. The client has to take
    /// them within [`write_timeout`](Config::write_timeout) at the end of a response.
    http3_send_window = bytes(size: impl Into<ByteSize>) -> u32: 256 * 1024, range "16KiB..";
}

impl Config {
    /// Returns the defaults.
    pub fn new() -> Config {
        Config::default()
    }
}
