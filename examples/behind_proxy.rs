//! An app behind a load balancer: it believes what its proxy reports, says whether it is ready, and follows
//! traces.
//!
//! `cargo run --release --example behind_proxy`, then `curl localhost:8000/readyz` and
//! `curl -H 'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' localhost:8000/log/pool`.
//! Look at the trace in the log.
use std::{env, time::Duration};

use pixie_web::{App, Origin, Peer, Request, Route, TraceContext, get};

#[get("/", pool)]
fn index(Peer(address): Peer, origin: Origin) -> String {
    format!("{} asks {origin}", address.ip())
}

/// Returns what a request to another service would carry on.
#[get("/child", pool)]
fn child(trace: TraceContext) -> String {
    trace.child().to_string()
}

/// Writes a line to the log, which shows the trace.
fn log(kind: &str) -> String {
    tracing::info!(kind, "a handler runs");
    format!("ran in the kind {kind}\n")
}

fn main() -> pixie_web::Result<()> {
    let delay = env::var("READY_DELAY_MS").ok().and_then(|ms| ms.parse().ok()).map(Duration::from_millis);
    App::collect()
        .route(Route::get("/log/sync").sync(|_| log("sync")))
        .route(Route::get("/log/thread").thread(|_| log("thread")))
        .route(Route::get("/log/async").asynchronous(|_: Request| async {
            tokio::task::yield_now().await;
            log("async")
        }))
        .route(Route::get("/log/pool").pool(|_| log("pool")))
        .route(Route::get("/fails").pool(|_| -> String { panic!("told to") }))
        .behind_proxy(["127.0.0.3", "unix"])
        .health("/healthz")
        .ready("/readyz")
        .ready_delay(delay.unwrap_or(Duration::from_secs(2)))
        .trace_contexts(true)
        .run()
}
