//! Every limit and time-out of the server, with the reason for its default.
//!
//! A value here bounds something that a client could otherwise make endless. The clocks are coarse (a sweep a few times
//! a second, see `registry.rs`), so a time-out fires between its value and a quarter of a second later.

use std::time::Duration;

/// How long the server waits and how much it takes; every field may be set to any value.
#[derive(Clone, Debug)]
pub struct Config {
    /// From the first byte of a request's head to its last; after that the client gets a 408.
    ///
    /// 30 s: hyper's own default. A head fits one packet, so only a hostile or very ill client needs more.
    pub header_timeout: Duration,

    /// How long a request body that the handler is waiting for may stand still before it yields
    /// [`BodyError::Timeout`](crate::BodyError::Timeout).
    ///
    /// 30 s: a phone that changes cells is back within that. The whole upload may take as long as it likes.
    pub body_timeout: Duration,

    /// How long a response may stand still because the client does not read, before the connection is closed.
    ///
    /// 60 s, as nginx's `send_timeout`. A slow handler or stream is never stopped by this.
    pub write_timeout: Duration,

    /// How long a connection may sit between two requests, or before the first, before it is closed silently.
    ///
    /// 75 s, as nginx: longer than the 60 s of the usual load balancers, so that they close first and never send a
    /// request into a closing connection.
    pub idle_timeout: Duration,

    /// The longest request line and headers together; above, the client gets a 431.
    ///
    /// 32 KiB, as nginx's four buffers of 8 KiB: room for many cookies. More than 100 headers are a 431 too.
    pub head_bytes_max: usize,

    /// How many connections one [`serve`](crate::Server::serve) holds; more wait in the kernel's queue.
    ///
    /// 10 000: an idle connection costs some 10 KiB, so this bounds them to about 100 MB.
    pub connections_max: usize,

    /// After a shutdown begins, how long kept connections are still answered (with `Connection: close`) before the
    /// idle ones are closed.
    ///
    /// 50 ms: clients with a request on the wire lost some at 0 ms and none from 20 ms on.
    pub linger: Duration,

    /// How long a shutdown waits for running requests before it cuts them.
    ///
    /// 10 s: what container runtimes wait between SIGTERM and SIGKILL.
    pub shutdown_grace: Duration,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(75),
            head_bytes_max: 32 * 1024,
            connections_max: 10_000,
            linger: Duration::from_millis(50),
            shutdown_grace: Duration::from_secs(10),
        }
    }
}
