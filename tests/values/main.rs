//! Tests of apps asked in-process: without sockets (but for the raw requests of `conformance`), without
//! processes, in a few seconds.
//!
//! One program for all of them, because each test program links the whole framework.
mod answers;
mod app;
#[cfg(feature = "compression")]
mod compress;
#[cfg(feature = "cors")]
mod cors;
mod conformance;
mod events;
mod files;
mod guide;
#[cfg(feature = "http2")]
mod h2_client;
mod hooks;
#[cfg(feature = "http2")]
mod http2;
mod kinds;
mod layers;
mod lifecycle;
mod limits;
#[cfg(all(feature = "openapi", feature = "basic-auth"))]
mod openapi;
mod options;
mod probes;
mod proxy;
#[cfg(feature = "store")]
mod rates;
mod roles;
mod security;
#[cfg(feature = "store")]
mod store;
mod traces;
mod warnings;
#[cfg(feature = "websocket")]
mod websocket;

use pixie_web::App;

/// Returns an app with the routes that the attributes in all these modules wrote, and the state that they
/// read.
fn collected() -> App {
    App::collect().state(7u32).worker_state(|| 8u64)
}
