//! `pixie-server` alone: limits, timeouts and an orderly shutdown for any tower service.
//!
//! `cargo run --release --example bare_server`, then `curl localhost:8000/any/path`. Look at `Config`, which
//! has the limits.
use std::{
    convert::Infallible,
    env::{self, VarError},
};

use http::{Request, Response};
use http_body_util::Full;
use pixie_server::{Config, Listener, RequestBody, Server, Shutdown};

async fn answer(request: Request<RequestBody>) -> Result<Response<Full<bytes::Bytes>>, Infallible> {
    Ok(Response::new(Full::from(format!("{} {}\n", request.method(), request.uri().path()))))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = match env::var("PIXIE_PORT") {
        Err(VarError::NotPresent) => "8000".to_owned(),
        port => port?,
    };
    let listener = Listener::bind("localhost", port.parse()?)?;
    println!("listening on http://localhost:{}", listener.local_addrs()[0].port());
    let shutdown = Shutdown::new();
    shutdown.on_signals()?;
    Server::new(Config::new()).until(&shutdown).serve(listener, |_| tower::service_fn(answer)).await?;
    Ok(())
}
