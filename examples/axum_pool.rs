//! An axum app with a pool of workers of `pixie-pool` alone: what a library does wrong in a task, axum does not notice.
//!
//! `cargo run --example axum_pool`, then `curl --data-binary @photo.jpg localhost:8000/thumbnail > small.png`. `/segfault`
//! answers 502 and `/loop` 504, while `/` keeps answering. `init` comes first in a plain `main`, because a worker is this
//! program started anew: under `#[tokio::main]` it would start a runtime first.
use std::{hint::black_box, io::Cursor};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use image::{ImageError, ImageFormat};
use pixie_pool::{Error, Pool, task};
use rustix::process::{Signal, getpid, kill_process};

/// Decodes whatever a stranger has uploaded, in a process that has nothing to lose.
#[task(deadline = "5s", idempotent)]
fn thumbnail(picture: Bytes, width: u32) -> Result<Bytes, ImageError> {
    let mut small = Cursor::new(Vec::new());
    image::load_from_memory(&picture)?.thumbnail(width, width).write_to(&mut small, ImageFormat::Png)?;
    Ok(small.into_inner().into())
}

/// Ends its process as a bad pointer in a C library would.
#[task]
fn segfault() -> String {
    // The first one only removes the handler by which Rust's runtime reports stack overflows.
    loop {
        let _ = kill_process(getpid(), Signal::SEGV);
    }
}

/// Never ends by itself.
#[task(deadline = "1s")]
fn endless() -> String {
    loop {
        black_box(0);
    }
}

type Answer<T> = Result<T, (StatusCode, String)>;

async fn make_thumbnail(State(pool): State<Pool>, picture: Bytes) -> Answer<Bytes> {
    pool.call(thumbnail, &(picture, 100)).await.map_err(refused)
}

async fn crash(State(pool): State<Pool>) -> Answer<String> {
    pool.call(segfault, &()).await.map_err(refused)
}

async fn hang(State(pool): State<Pool>) -> Answer<String> {
    pool.call(endless, &()).await.map_err(refused)
}

/// Gives each end of a task its status; how a worker died is nothing for a client.
fn refused(error: Error) -> (StatusCode, String) {
    eprintln!("{error}");
    let (status, words) = match error {
        Error::Failed { message } => return (StatusCode::UNPROCESSABLE_ENTITY, message),
        Error::Died(_) | Error::Memory | Error::RepeatCrash | Error::Protocol => {
            (StatusCode::BAD_GATEWAY, "this picture is too much for us")
        }
        Error::Deadline | Error::CpuTime => (StatusCode::GATEWAY_TIMEOUT, "this picture takes too long"),
        Error::QueueFull { .. } | Error::QueueTimeout { .. } | Error::Unavailable { .. } | Error::Stopping => {
            (StatusCode::SERVICE_UNAVAILABLE, "try again later")
        }
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "something went wrong"),
    };
    (status, words.to_owned())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    pixie_pool::init();
    serve()
}

#[tokio::main]
async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let pool = Pool::named("images").size(2).start_tasks().await?;
    let app = Router::new()
        .route("/", get(|| async { "this is axum" }))
        .route("/thumbnail", post(make_thumbnail))
        .route("/segfault", get(crash))
        .route("/loop", get(hang))
        .with_state(pool);
    let port = std::env::var("PIXIE_PORT").unwrap_or_else(|_| "8000".into());
    let listener = tokio::net::TcpListener::bind(format!("localhost:{port}")).await?;
    println!("listening on http://localhost:{}", listener.local_addr()?.port());
    axum::serve(listener, app).await?;
    Ok(())
}
