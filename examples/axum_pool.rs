//! An axum app with a pool of worker processes from `pixie-pool`: a crash in a task does not affect axum.
//!
//! `cargo run --release --example axum_pool`, then
//! `curl --data-binary @photo.jpg localhost:8000/thumbnail > small.png`, and
//! `curl -i localhost:8000/segfault localhost:8000/loop localhost:8000`: 502, 504, and 200. Look at `main`: a
//! worker is this program, started again, so `main` is a plain function that calls `init` first. With
//! `#[tokio::main]`, each worker would start a runtime.
use std::{
    env::{self, VarError},
    hint::black_box,
    io::Cursor,
};

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

/// Decodes an uploaded file, which may be hostile, in a worker process.
#[task(deadline = "5s", idempotent)]
fn thumbnail(picture: Bytes, width: u32) -> Result<Bytes, ImageError> {
    let mut small = Cursor::new(Vec::new());
    image::load_from_memory(&picture)?.thumbnail(width, width).write_to(&mut small, ImageFormat::Png)?;
    Ok(small.into_inner().into())
}

/// Crashes like a bad pointer in a C library.
#[task]
fn segfault() -> String {
    // The first signal only removes the handler with which Rust's runtime reports stack overflows.
    loop {
        let _ = kill_process(getpid(), Signal::SEGV);
    }
}

/// Never ends.
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

/// Returns the status for an error of a task. The client does not get details about the worker.
fn refused(error: Error) -> (StatusCode, String) {
    eprintln!("{error}");
    let (status, words) = match error {
        Error::Failed { message } => return (StatusCode::UNPROCESSABLE_ENTITY, message),
        Error::Exited(_) | Error::Memory | Error::RepeatCrash | Error::Protocol => {
            (StatusCode::BAD_GATEWAY, "the task crashed")
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
    let port = match env::var("PIXIE_PORT") {
        Err(VarError::NotPresent) => "8000".to_owned(),
        port => port?,
    };
    let listener = tokio::net::TcpListener::bind(format!("localhost:{port}")).await?;
    println!("listening on http://localhost:{}", listener.local_addr()?.port());
    axum::serve(listener, app).await?;
    Ok(())
}
