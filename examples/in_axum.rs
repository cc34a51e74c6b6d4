//! A pixie app inside an axum app: its pool routes still run in worker processes.
//!
//! `cargo run --release --example in_axum`, then
//! `curl localhost:8000 localhost:8000/pixie/pool localhost:8000/pixie/abort`. Look at the order in `main`:
//! `into_service` comes before the runtime, because it does not return in a worker process.
use std::env::{self, VarError};

use axum::{Router, routing::get};
use pixie_web::{App, Route, proc_env};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pixie = App::new()
        .route(Route::get("/pixie/pool").pool(|_| format!("process type {}", proc_env().process_type)))
        .route(Route::get("/pixie/abort").pool(|_| -> String { std::process::abort() }))
        .into_service()
        .map_err(|error| error.to_string())?;
    let app = Router::new().route("/", get(|| async { "this is axum" })).fallback_service(pixie);

    let port = match env::var("PIXIE_PORT") {
        Err(VarError::NotPresent) => "8000".to_owned(),
        port => port?,
    };
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = tokio::net::TcpListener::bind(format!("localhost:{port}")).await?;
        println!("listening on http://localhost:{}", listener.local_addr()?.port());
        axum::serve(listener, app).await?;
        Ok(())
    })
}
