//! The server seen from outside, over real sockets on the loopback interface.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod clients;
mod harness;
mod http;
#[cfg(feature = "http2")]
mod http2;
#[cfg(feature = "http3")]
mod http3;
mod limits;
mod listener;
mod proxy_protocol;
mod shutdown;
mod timeouts;
#[cfg(feature = "tls")]
mod tls;
#[cfg(unix)]
mod unix;
