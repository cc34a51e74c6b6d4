//! The server under test: a sync route, a pool route, a stream, and one that tells the process id, over HTTP
//! and HTTPS.
use std::{env, time::Duration};

use pixie_web::{App, Listen, Result, Tls, get};

static PIECE: [u8; 16 << 10] = [b'x'; 16 << 10];

#[get("/", sync)]
fn index() -> &'static str {
    "Hello, World!"
}

#[get("/pool")]
fn pool() -> &'static str {
    "Hello, World!"
}

#[get("/stream", stream)]
fn stream() -> impl Iterator<Item = &'static [u8]> {
    (0..16).map(|_| PIECE.as_slice())
}

#[get("/pid", sync)]
fn pid() -> String {
    std::process::id().to_string()
}

fn main() -> Result<()> {
    let port = |name: &str| -> Result<u16> { Ok(env::var(name)?.parse()?) };
    // Often, so that ten new certificates do not take minutes.
    let tls = Tls::files(env::var("CERTIFICATE")?, env::var("KEY")?).check_every(Duration::from_millis(50));
    App::collect()
        .listen(Listen::tcp("127.0.0.1", port("PORT")?))
        .listen(Listen::tcp("127.0.0.1", port("TLS_PORT")?).tls(tls))
        .run()
}
