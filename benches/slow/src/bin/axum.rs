//! The same routes on axum with `axum::serve`. `/work` blocks a thread by `spawn_blocking`.

use std::{env, io, thread::sleep, time::Duration};

use axum::{Router, routing};
use bytes::Bytes;
use tokio::{net::TcpListener, task::spawn_blocking};

static BIG: [u8; 8 << 20] = [b'x'; 8 << 20];

#[tokio::main(worker_threads = 2)]
async fn main() -> io::Result<()> {
    pixie_server::raise_open_files_limit();
    let app = Router::new()
        .route("/", routing::get(async || "Hello, World!"))
        .route("/work", routing::get(work))
        .route("/stream", routing::get(async || BIG.as_slice()))
        .route("/body", routing::post(async |body: Bytes| body.len().to_string()));
    let port = env::var("PIXIE_PORT").ok().and_then(|port| port.parse::<u16>().ok()).unwrap_or(8000);
    axum::serve(TcpListener::bind(("127.0.0.1", port)).await?, app).await
}

async fn work() -> &'static str {
    // Fails only if the closure panics.
    spawn_blocking(|| sleep(Duration::from_millis(50))).await.map_or("failed", |()| "done")
}
