//! Every limit and timeout of the server, with the reason for its default.
//!
//! Each value bounds something that a client could otherwise make endless. Timeouts are checked a few times a
//! second (see `registry.rs`), so a timeout fires between its value and a quarter of a second later.

use std::time::Duration;

use pixie_grammar::ByteSize;

/// How long the server waits for clients, and how much it accepts from them.
///
/// ```
/// use std::time::Duration;
/// use pixie_server::Config;
///
/// let config = Config::new().body_timeout(Duration::from_secs(10)).connections_max(500);
/// # let _ = config;
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) header_timeout: Duration,
    pub(crate) body_timeout: Duration,
    pub(crate) write_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) head_bytes_max: usize,
    pub(crate) connections_max: usize,
    pub(crate) linger: Duration,
    pub(crate) shutdown_grace: Duration,
    /// What is wrong with a size that was set.
    mistake: Option<String>,
}

impl Config {
    /// Returns the defaults.
    pub fn new() -> Config {
        Config {
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(75),
            head_bytes_max: 32 * 1024,
            connections_max: 10_000,
            linger: Duration::from_millis(50),
            shutdown_grace: Duration::from_secs(10),
            mistake: None,
        }
    }

    /// Limits the time from the first byte of a request's head to the last; after that the client gets a 408.
    ///
    /// Default: 30 s, as in hyper. A head fits into one packet, so a client that needs longer is hostile or
    /// broken.
    pub fn header_timeout(self, timeout: Duration) -> Config {
        Config { header_timeout: timeout, ..self }
    }

    /// Limits how long a handler waits for more bytes of the request body; after that the body yields
    /// [`BodyError::Timeout`](crate::BodyError::Timeout).
    ///
    /// Default: 30 s, enough for a phone that changes its radio cell. The time of the whole upload is not
    /// limited.
    pub fn body_timeout(self, timeout: Duration) -> Config {
        Config { body_timeout: timeout, ..self }
    }

    /// Limits how long a client may leave a response unread; after that the connection is closed.
    ///
    /// Default: 60 s, as `send_timeout` of nginx. This does not limit a slow handler or a slow stream.
    pub fn write_timeout(self, timeout: Duration) -> Config {
        Config { write_timeout: timeout, ..self }
    }

    /// Limits how long a connection may be idle, before its first request and between two requests; after
    /// that it is closed without a response.
    ///
    /// Default: 75 s, as nginx. Most load balancers close after 60 s, so they close first and do not send a
    /// request on a connection that the server is closing.
    pub fn idle_timeout(self, timeout: Duration) -> Config {
        Config { idle_timeout: timeout, ..self }
    }

    /// Limits the request line and the headers together, in bytes; for a longer head the client gets a 431.
    ///
    /// Default: 32 KiB, as the four buffers of 8 KiB in nginx: enough for many cookies. A head with more than
    /// 100 headers also gets a 431.
    pub fn head_bytes_max(self, size: impl Into<ByteSize>) -> Config {
        match size.into().bytes() {
            Ok(bytes) => Config { head_bytes_max: usize::try_from(bytes).unwrap_or(usize::MAX), ..self },
            Err(mistake) => Config { mistake: Some(format!("`head_bytes_max`: {mistake}")), ..self },
        }
    }

    /// Limits the open connections of one [`serve`](crate::Server::serve); further ones wait in the kernel's
    /// queue.
    ///
    /// Default: 10 000, about 100 MB, because an idle connection needs about 10 KiB.
    pub fn connections_max(self, count: usize) -> Config {
        Config { connections_max: count, ..self }
    }

    /// Sets how long open connections still get responses (with `Connection: close`) after a shutdown begins,
    /// before the idle ones are closed.
    ///
    /// Default: 50 ms. In a measurement, some clients that were just sending a request lost it at 0 ms; from
    /// 20 ms on no request was lost.
    pub fn linger(self, time: Duration) -> Config {
        Config { linger: time, ..self }
    }

    /// Limits how long a shutdown waits for running requests before it closes their connections.
    ///
    /// Default: 10 s, the time that container runtimes wait between SIGTERM and SIGKILL.
    pub fn shutdown_grace(self, time: Duration) -> Config {
        Config { shutdown_grace: time, ..self }
    }

    /// Returns what is wrong with a size that was set, if it cannot be read. A server with such a configuration
    /// does not start.
    pub fn mistake(&self) -> Option<&str> {
        self.mistake.as_deref()
    }
}

impl Default for Config {
    fn default() -> Config {
        Config::new()
    }
}
