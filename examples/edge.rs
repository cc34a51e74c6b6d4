//! An app that faces the internet by itself: HTTPS with HTTP/2 and HTTP/3, WebSockets, events, and pages for
//! health checks.
//!
//! `cargo run --release --features tls,http2,http3,websocket --example edge`, then
//! `curl -ik https://localhost:8443/`. Look at the protocol, and at `Alt-Svc`. Plain HTTP is on `PIXIE_PORT`
//! (8000), HTTPS on `PIXIE_TLS_PORT` (8443). `PIXIE_CERT` and `PIXIE_KEY` name the files of the certificate;
//! without them the example makes one for localhost, which browsers warn about.
use std::{
    env, fs,
    path::PathBuf,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;
use pixie_web::{
    App, Body, Error, Event, Listen, ProcessType, Response, Result, Sse, Tls, WebSocket, get, post, proc_env,
};
use tempfile::TempDir;
use tokio::time::{Interval, interval};

#[get("/", sync)]
fn index() -> &'static str {
    "Hello from the server's process\n"
}

/// Runs in a worker process.
#[get("/pool")]
fn pool() -> String {
    format!("Hello from process {}\n", std::process::id())
}

/// Sends the body back while it arrives.
#[post("/echo", body_limit = "1GB")]
async fn echo(body: Body) -> Response {
    Response::new(body).content_type("application/octet-stream")
}

/// One event per second, until the client disconnects or the server stops.
#[get("/events")]
async fn events() -> Sse {
    Sse::new(Ticks { interval: interval(Duration::from_secs(1)), number: 0 })
}

/// Sends each message back.
#[get("/ws")]
async fn websocket(ws: WebSocket) -> Response {
    ws.run(async |mut socket| {
        while let Some(message) = socket.next().await {
            socket.send(message).await?;
        }
        Ok(())
    })
}

fn main() -> Result<()> {
    let file = |name| env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    // The folder is removed at the end.
    let (certificate, key, _folder) = match (file("PIXIE_CERT"), file("PIXIE_KEY")) {
        (Some(certificate), Some(key)) => (certificate, key, None),
        (None, None) => self_signed()?,
        _ => return Err(Error::internal("PIXIE_CERT and PIXIE_KEY belong together: set both, or none")),
    };
    let host = variable("PIXIE_HOST")?.unwrap_or_else(|| "localhost".to_owned());
    App::collect()
        .health("/healthz")
        .ready("/readyz")
        .listen(Listen::tcp(host.as_str(), port("PIXIE_PORT", 8000)?))
        .listen(Listen::tcp(host, port("PIXIE_TLS_PORT", 8443)?).tls(Tls::files(certificate, key)).http3())
        .run()
}

fn variable(name: &str) -> Result<Option<String>> {
    let text = env::var_os(name).map(|text| text.into_string());
    text.transpose().map_err(|_| Error::internal(format!("{name}: the value is not UTF-8")))
}

fn port(name: &str, default: u16) -> Result<u16> {
    let Some(text) = variable(name)? else { return Ok(default) };
    let fix = || Error::internal(format!("{name}: \"{text}\" is not a port: use a number from 0 to 65535"));
    text.trim().parse().map_err(|_| fix())
}

/// Makes a certificate for localhost, and returns its files. Workers run `main` too, but serve no HTTPS.
fn self_signed() -> Result<(PathBuf, PathBuf, Option<TempDir>)> {
    if proc_env().process_type != ProcessType::Main {
        return Ok(Default::default());
    }
    // Only this user can read the folder.
    let folder = tempfile::Builder::new().prefix("pixie-edge-").tempdir()?;
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
    fs::write(&certificate, made.cert.pem())?;
    fs::write(&key, made.signing_key.serialize_pem())?;
    Ok((certificate, key, Some(folder)))
}

struct Ticks {
    interval: Interval,
    number: u64,
}

impl Stream for Ticks {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.interval.poll_tick(cx).map(|_| {
            self.number += 1;
            Some(Event::data(self.number.to_string()))
        })
    }
}
