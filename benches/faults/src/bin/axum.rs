//! axum, with a timeout around each handler. `PLACE` decides where handlers run: `handler` is inline, the
//! default of axum; `blocking` uses `spawn_blocking`.
#![forbid(unsafe_code)]

use std::{env, io};

use axum::{
    Router,
    extract::{Path, Query},
    http::StatusCode,
    routing::get,
};
use faults_bench::{
    fault,
    peer::{self, Ask, DEADLINE},
};
use tokio::{net::TcpListener, task::spawn_blocking};
use tower_http::timeout::TimeoutLayer;

// As many threads as the others have workers.
#[tokio::main(worker_threads = 4)]
async fn main() -> io::Result<()> {
    let app = match env::var("PLACE").as_deref() {
        Ok("blocking") => Router::new().route("/ok", get(ok_elsewhere)).route("/fault/{name}", get(commit_elsewhere)),
        _ => Router::new().route("/ok", get(ok)).route("/fault/{name}", get(commit)),
    };
    let app = app.layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, DEADLINE));
    axum::serve(TcpListener::bind(peer::address()?).await?, app).await
}

async fn ok(Query(ask): Query<Ask>) -> String {
    ask.id
}

async fn commit(Path(name): Path<String>) -> &'static str {
    fault::commit(&name)
}

async fn ok_elsewhere(Query(ask): Query<Ask>) -> Result<String, StatusCode> {
    spawn_blocking(|| ask.id).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

async fn commit_elsewhere(Path(name): Path<String>) -> Result<&'static str, StatusCode> {
    spawn_blocking(move || fault::commit(&name)).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}
