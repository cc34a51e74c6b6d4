//! The server seen from outside, over real sockets on the loopback interface.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod harness;
mod http;
mod listener;
mod shutdown;
mod timeouts;
