//! A demo: every page shows where it ran, and the first page lets a visitor try the kinds of route.
//!
//! `cargo run --release --features template --example demo`, then open <http://localhost:8000>. Look at what
//! a crash does to the other pages.
mod page;

use std::{thread::sleep, time::Duration};

use page::{Heading, Index, Page, Started};
use pixie_web::{
    Error, Form, Headers, Json, Pools, Request, Response, Result, Shutdown, State, StatusCode, Writer, get, post,
    route, run,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// The folder with the demo's files, which does not depend on the current folder.
const STATIC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/demo/static");

#[derive(Deserialize)]
struct Visitor {
    name: String,
}

#[get("/", sync)]
fn index(started: Started, headers: Headers) -> Index {
    Index::new(started.ran("sync"), &headers, None)
}

#[post("/", sync)]
fn greet(started: Started, headers: Headers, visitor: Form<Visitor>) -> Index {
    Index::new(started.ran("sync"), &headers, Some(visitor.name.trim().to_owned()))
}

#[get("/local", sync)]
fn local(started: Started) -> Page {
    started.page("sync", "This page was made on the connection's own thread.")
}

#[get("/proc")]
fn process(started: Started) -> Page {
    started.page("pool", "This page was made by a worker process.")
}

#[get("/async")]
async fn on_runtime(started: Started) -> Page {
    started.page("async", "This page was made on the async runtime.")
}

#[get("/thread", thread)]
fn on_thread(started: Started) -> Page {
    sleep(Duration::from_secs(3));
    started.page("thread", "A blocking thread slept for three seconds.")
}

#[get("/sleep")]
fn sleeping(started: Started) -> Page {
    sleep(Duration::from_secs(3));
    started.page("pool", "A worker process slept for three seconds. Other requests did not wait.")
}

#[get("/sleep-async")]
async fn sleeping_async(started: Started) -> Page {
    tokio::time::sleep(Duration::from_secs(3)).await;
    started.page("async", "A future slept for three seconds, without a thread.")
}

/// Reaches its deadline: the worker is killed, and the client gets a 504.
#[get("/sleep-timeout", deadline = "5s")]
fn sleeping_too_long(started: Started) -> Page {
    sleep(Duration::from_secs(30));
    started.page("pool", "The deadline is shorter than this.")
}

/// Ten pieces, one a second, from a worker process.
#[get("/stream", stream)]
fn stream(started: Started, out: &mut Writer) -> Result<()> {
    out.set_head(Response::new("").content_type(started.wants.media()))?;
    out.send(started.opening(&Heading { title: "Ten pieces, one a second" })?)?;
    for number in 1..=10 {
        out.send(started.wants.line(&format!("piece {number} of 10, from process {}", std::process::id())))?;
        sleep(Duration::from_secs(1));
    }
    out.send(started.wants.line(&started.ran("stream").to_string()))?;
    Ok(())
}

#[get("/error")]
fn error() -> Result<Page> {
    Err(Error::internal("a handler in a worker process failed on purpose"))
}

#[get("/error-local", sync)]
fn error_local() -> Page {
    panic!("a handler in the main process panicked on purpose")
}

/// Crashes the worker, but not the server.
#[get("/crash")]
fn crash() -> Page {
    std::process::abort()
}

#[get("/file/<filename>", thread)]
fn file(request: &Request, filename: String) -> Result<Response> {
    pixie_web::static_file(request, STATIC, &filename)
}

#[get("/static_file", thread)]
fn static_file(request: &Request) -> Result<Response> {
    pixie_web::static_file(request, STATIC, "kinds.svg")
}

#[get("/cached_file", thread)]
fn cached_file(request: &Request) -> Result<Response> {
    pixie_web::cached_file(request, STATIC, "kinds.svg")
}

/// Returns the present state of the pools for the first page.
#[get("/pool-status", sync)]
fn pool_status(pools: State<Pools>) -> Json<Value> {
    let worker = |worker: &pixie_web::pool::WorkerSnapshot| {
        json!({
            "number": worker.number,
            "state": format!("{:?}", worker.state).to_lowercase(),
            "pid": worker.pid,
            "jobs": worker.jobs,
            "route": worker.label.as_deref(),
        })
    };
    let pool = |pool: &pixie_web::pool::Snapshot| {
        json!({
            "name": pool.name,
            "busy": pool.busy,
            "queued": pool.queued,
            "workers": pool.workers.iter().map(worker).collect::<Vec<_>>(),
            "jobs": pool.counts.jobs,
            "killed": pool.counts.kills.values().sum::<u64>(),
            "exited": pool.counts.exits.values().sum::<u64>(),
            "restarted": pool.counts.restarts,
        })
    };
    Json(pools.snapshots().iter().map(pool).collect())
}

#[route("/shutdown", sync, GET, POST)]
fn shutdown(request: &Request, started: Started, stop: State<Shutdown>) -> (StatusCode, Page) {
    // A link on another site must not stop the server, so GET only shows a button.
    if request.verb() == "GET" {
        return (
            StatusCode::OK,
            started.page("sync", "Press the button to stop the server.").with_button("/shutdown", "Stop the server"),
        );
    }
    stop.trigger();
    (StatusCode::OK, started.page("sync", "The server finishes running requests and stops."))
}

fn main() -> Result<()> {
    run()
}
