//! All five kinds of route. Each returns the process and the thread that it ran on.
//!
//! `cargo run --release --example route_kinds`, then open <http://localhost:8000>. Look at the process ids:
//! those of `/pool` and `/stream` differ from the others.
use std::{io::Write, thread, time::Duration};

use pixie_web::{Html, Result, Writer, get, proc_env, run};

/// Runs on the connection's thread: for responses that take microseconds.
#[get("/", sync)]
fn index() -> Html<&'static str> {
    Html(
        "<h1>Five kinds of route</h1><ul><li><a href=/sync>sync</a><li><a href=/thread>thread</a>\
         <li><a href=/async>async</a><li><a href=/pool>pool</a><li><a href=/stream>stream</a>, and \
         <a href=/written>stream from a writer</a></ul>",
    )
}

#[get("/sync", sync)]
fn inline() -> String {
    place("sync")
}

/// Runs on a blocking thread of the main process: for code that blocks but is safe.
#[get("/thread", thread)]
fn on_thread() -> String {
    place("thread")
}

/// Runs on the async runtime: for code that waits for other services.
#[get("/async")]
async fn on_runtime() -> String {
    tokio::time::sleep(Duration::from_millis(1)).await;
    place("async")
}

/// Runs in a worker process: for code that is heavy or dangerous.
#[get("/pool")]
fn in_worker() -> String {
    place("pool")
}

/// Runs in a worker process; each piece is sent when the iterator returns it.
#[get("/stream", stream)]
fn pieces() -> impl Iterator<Item = String> {
    (1..=10).map(|number| {
        thread::sleep(Duration::from_millis(200));
        format!("{number} {}\n", place("stream"))
    })
}

/// The same with a writer. The write fails when the client has disconnected.
#[get("/written", stream)]
fn written(out: &mut Writer) -> Result<()> {
    for number in 1..=10 {
        writeln!(out, "{number} {}", place("stream"))?;
        thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

fn place(kind: &str) -> String {
    let env = proc_env();
    let thread = thread::current();
    let name = thread.name().unwrap_or("unnamed");
    format!("{kind}: process type {}, pid {}, worker {}, thread {name}", env.process_type, env.pid, env.worker)
}

fn main() -> Result<()> {
    run()
}
