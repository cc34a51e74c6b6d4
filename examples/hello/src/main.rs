//! Three routes that run in three places.
//!
//! `cargo run --release -p hello`, then open <http://localhost:8000>, `/async` and `/cpu`. Look at the word
//! after the path of each route.
use std::{thread::sleep, time::Duration};

use pixie_web::{proc_env, route, run};

/// Runs on the connection's own thread.
#[route("/", sync)]
fn index() -> String {
    format!("Hello world from process type {}", proc_env().process_type)
}

/// An `async fn` runs on the async runtime.
#[route("/async")]
async fn index_async() -> String {
    format!("Hello world (async) from process type {}", proc_env().process_type)
}

/// A plain `fn` runs in the process pool: the default.
#[route("/cpu")]
fn cpu_bound() -> String {
    sleep(Duration::from_secs(3));
    format!("Hello world (CPU-bound) from process type {}", proc_env().process_type)
}

fn main() -> pixie_web::Result<()> {
    run()
}
