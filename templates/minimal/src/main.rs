//! One route of each kind. The attribute decides where a route runs.

use std::{fs, io, process, thread::sleep, time::Duration};

use pixie_web::{App, Html, Result, get, proc_env};

/// Runs on the connection's thread: for responses that take microseconds.
#[get("/", sync)]
fn index() -> Html<&'static str> {
    Html(
        "<!doctype html>
        <meta name=viewport content='width=device-width'>
        <title>{{project-name}}</title>
        <style>
            :root { color-scheme: light dark }
            body { font: 1.1rem/1.6 system-ui, sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem }
        </style>
        <h1>It works!</h1>
        <p>Each route runs in another place:</p>
        <ul>
            <li><a href=/thread>on a thread</a>
            <li><a href=/async>on the async runtime</a>
            <li><a href=/pool>in a worker process</a>, which may <a href=/crash>crash</a>
            <li><a href=/stream>in a worker process, piece by piece</a>
        </ul>",
    )
}

/// Runs on a blocking thread: for code that blocks, such as reading a file.
#[get("/thread", thread)]
fn manifest() -> io::Result<String> {
    fs::read_to_string("Cargo.toml")
}

/// An `async fn` runs on the async runtime: for code that waits for other services.
#[get("/async")]
async fn greeting() -> String {
    format!("hello from process {}", proc_env().pid)
}

/// A plain `fn` runs in a worker process: for code that is heavy or may crash.
#[get("/pool", deadline = "5s")]
fn sum() -> String {
    let sum: u64 = (1..=10_000_000).sum();
    format!("{sum}, computed by process {}", proc_env().pid)
}

/// This request fails with 502. The server continues, and the worker is replaced.
#[get("/crash")]
fn crash() {
    process::abort()
}

/// Runs in a worker process; each piece is sent when the iterator returns it.
#[get("/stream", stream)]
fn countdown() -> impl Iterator<Item = String> {
    (0..=5).rev().map(|number| {
        sleep(Duration::from_millis(200));
        format!("{number}\n")
    })
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
        for path in ["/thread", "/async", "/pool", "/stream"] {
            assert!(page.contains(&format!("href={path}>")), "no link to {path}");
            client.get(path).send().assert_status(200);
        }
        Ok(())
    }
}
