//! Tests of apps asked in-process: without sockets, without processes, in a few seconds.
//!
//! One program for all of them, because each test program links the whole framework.
mod answers;
mod app;
#[cfg(feature = "compression")]
mod compress;
mod events;
mod files;
mod hooks;
mod limits;
mod options;
mod security;
mod slow_sync;

use pixie_web::App;

/// Returns an app with the routes that the attributes in all these modules wrote, and the state that they
/// read.
fn collected() -> App {
    App::collect().state(7u32).worker_state(|| 8u64)
}
