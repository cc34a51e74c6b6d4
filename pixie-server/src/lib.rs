//! Serves any [`tower_service::Service`] over HTTP/1.1, with all limits and timeouts on. With the feature
//! `http2` it serves HTTP/2 on the same sockets, to clients that begin with its preface.
//!
//! This crate owns sockets, HTTP framing, limits, slow clients and the orderly shutdown. Routes, handlers and
//! worker processes belong to the service. Invariant: a client that is slow or silent, sends too much or
//! disconnects does not affect other clients and does not stop the accept loop.
//!
//! ```no_run
//! use std::convert::Infallible;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use pixie_server::{Config, Listener, RequestBody, Server, Shutdown};
//! # #[derive(Clone)]
//! # struct Hello;
//! # use std::task::{Context, Poll};
//! # impl tower_service::Service<Request<RequestBody>> for Hello {
//! #     type Response = Response<Full<&'static [u8]>>;
//! #     type Error = Infallible;
//! #     type Future = std::future::Ready<Result<Self::Response, Infallible>>;
//! #     fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
//! #         Poll::Ready(Ok(()))
//! #     }
//! #     fn call(&mut self, _: Request<RequestBody>) -> Self::Future {
//! #         std::future::ready(Ok(Response::new(Full::new(b"hello".as_slice()))))
//! #     }
//! # }
//!
//! # async fn program() -> Result<(), pixie_server::Error> {
//! let shutdown = Shutdown::new();
//! shutdown.on_signals()?;
//! let listener = Listener::bind("localhost", 8000)?;
//! Server::new(Config::new()).until(&shutdown).serve(listener, |_connection| Hello).await?;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod acceptor;
mod address;
mod alt_svc;
mod clients;
mod closing;
mod config;
mod counters;
mod connection;
mod error;
mod exchange;
mod head;
#[cfg(feature = "http2")]
mod http2;
#[cfg(feature = "http3")]
mod http3;
mod listen;
mod listener;
#[cfg(not(feature = "http2"))]
#[path = "no_http2.rs"]
mod http2;
#[cfg(not(feature = "http3"))]
#[path = "no_http3.rs"]
mod http3;
mod network;
mod open_files;
mod opening;
mod places;
mod port_owner;
mod proxy_protocol;
mod race;
mod refusal;
mod registry;
mod request_body;
mod response_body;
mod server;
mod shutdown;
mod socket;
mod stream;
mod throttle;
#[cfg(any(feature = "tls", feature = "tls-ring"))]
mod tls;
mod udp;
#[cfg(unix)]
mod unix;
#[cfg(not(unix))]
#[path = "unix_absent.rs"]
mod unix;
mod watch;

pub use address::Address;
pub use clients::Client;
pub use config::Config;
pub use connection::Connection;
pub use counters::{Counters, Protocol};
pub use error::Error;
pub use exchange::HttpService;
pub use listen::{Listen, TlsSession};
pub use listener::Listener;
pub use network::Network;
pub use open_files::raise_open_files_limit;
pub use port_owner::PortOwner;
pub use request_body::{BodyError, RequestBody};
pub use response_body::ResponseBody;
pub use server::{Server, Stopped};
pub use shutdown::Shutdown;
pub use throttle::Throttle;
#[cfg(any(feature = "tls", feature = "tls-ring"))]
pub use tls::Tls;
