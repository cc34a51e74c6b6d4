//! The server seen from outside, over real sockets on the loopback interface.

mod harness;
mod http;
mod listener;
mod shutdown;
mod timeouts;
