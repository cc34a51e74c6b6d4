//! The same routes on axum with `axum::serve`. `/block` runs on another thread by `spawn_blocking`.
#![forbid(unsafe_code)]

use std::io;

use axum::{Json, Router, extract::Path, http::StatusCode, routing::get};
use tokio::{net::TcpListener, task::spawn_blocking};
use versus::peer::{self, EXTRA_ROUTES, HELLO, Message};

#[tokio::main(worker_threads = 2)]
async fn main() -> io::Result<()> {
    peer::leave_with_driver();
    let mut app = Router::new()
        .route("/", get(index))
        .route("/json", get(json))
        .route("/users/{id}", get(user))
        .route("/block", get(block));
    for number in 0..EXTRA_ROUTES {
        app = app.route(&peer::extra_path(number), get(index));
    }
    let listener = TcpListener::bind(peer::address()?).await?;
    axum::serve(listener, app).await
}

async fn index() -> &'static str {
    HELLO
}

async fn json() -> Json<Message> {
    Json(Message { message: HELLO })
}

async fn user(Path(id): Path<String>) -> String {
    id
}

async fn block() -> Result<&'static str, StatusCode> {
    spawn_blocking(|| HELLO).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}
