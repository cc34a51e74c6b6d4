//! The first page, and a route of each kind to click. Remove it when your app has a first page of its own.

use std::{process, thread, thread::sleep, time::Duration};

use pixie_web::{get, proc_env, template};

#[template("welcome.html")]
struct WelcomePage;

#[get("/", sync)]
fn index() -> WelcomePage {
    WelcomePage
}

/// Runs on the connection's thread: for responses that take microseconds.
#[get("/where/sync", sync)]
fn inline() -> String {
    place()
}

/// Runs on a blocking thread: for code that blocks, such as a database.
#[get("/where/thread", thread)]
fn on_a_thread() -> String {
    sleep(Duration::from_millis(100));
    place()
}

/// An `async fn` runs on the async runtime: for code that waits for other services.
#[get("/where/async")]
async fn on_the_runtime() -> String {
    place()
}

/// A plain `fn` runs in a worker process: for code that is heavy or may crash.
#[get("/where/pool")]
fn in_a_worker() -> String {
    place()
}

/// Runs in a worker process; each piece is sent when the iterator returns it.
#[get("/where/stream", stream)]
fn in_pieces() -> impl Iterator<Item = String> {
    (0..=5).rev().map(|number| {
        sleep(Duration::from_millis(200));
        format!("{number}, sent by {}\n", place())
    })
}

/// This request fails with 502. The server continues, and the worker is replaced.
#[get("/where/crash")]
fn crash() {
    process::abort()
}

/// Returns where the caller runs.
fn place() -> String {
    let (env, thread) = (proc_env(), thread::current());
    let name = thread.name().unwrap_or("unnamed");
    format!("{} process {}, thread {name}", env.process_type, env.pid)
}
