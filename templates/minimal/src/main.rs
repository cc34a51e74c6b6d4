//! One route of each kind. The attribute decides where a route runs.

use std::{process, thread, thread::sleep, time::Duration};

use pixie_web::{App, Html, Result, get, proc_env};

/// The first page.
#[get("/", sync)]
fn index() -> Html<&'static str> {
    Html(include_str!("index.html"))
}

/// Runs on the connection's thread: for responses that take microseconds.
#[get("/sync", sync)]
fn inline() -> String {
    place()
}

/// Runs on a blocking thread: for code that blocks, such as reading a file.
#[get("/thread", thread)]
fn on_a_thread() -> String {
    sleep(Duration::from_millis(100));
    place()
}

/// An `async fn` runs on the async runtime: for code that waits for other services.
#[get("/async")]
async fn on_the_runtime() -> String {
    place()
}

/// A plain `fn` runs in a worker process: for code that is heavy or may crash. At the deadline the process
/// is killed, and the client gets 504.
#[get("/pool", deadline = "5s")]
fn in_a_worker() -> String {
    let sum: u64 = (1..=10_000_000).sum();
    format!("{sum}, computed by {}", place())
}

/// Runs in a worker process; each piece is sent when the iterator returns it.
#[get("/stream", stream)]
fn countdown() -> impl Iterator<Item = String> {
    (0..=5).rev().map(|number| {
        sleep(Duration::from_millis(200));
        format!("{number}, sent by {}\n", place())
    })
}

/// This request fails with 502. The server continues, and the worker is replaced.
#[get("/crash")]
fn crash() {
    process::abort()
}

/// Returns where the caller runs.
fn place() -> String {
    let (env, thread) = (proc_env(), thread::current());
    let name = thread.name().unwrap_or("unnamed");
    format!("{} process {}, thread {name}", env.process_type, env.pid)
}

fn app() -> App {
    App::collect()
}

fn main() -> Result<()> {
    app().run()
}

#[cfg(test)]
mod tests {
    use super::app;

    #[test]
    fn the_links_of_the_first_page_work() -> pixie_web::Result<()> {
        let client = app().test()?;
        let page = client.get("/").send().assert_status(200).text();
        for path in ["/sync", "/thread", "/async", "/pool", "/stream"] {
            let link = format!("href=\"{path}\"");
            assert!(page.contains(&link), "no link to {path}");
            client.get(path).send().assert_status(200);
        }
        Ok(())
    }
}
