//! Tower layers around an app, a group and a route; every layer of tower-http works.
//!
//! `cargo run --release --example layers`, then `curl -i localhost:8000/news` and
//! `curl -i localhost:8000/slow`. Look at the header `cache-control` of the first, and at the 408 of the
//! second.
use std::time::Duration;

use pixie_web::{App, Group, Route, StatusCode, get, header};
use tower_http::{set_header::SetResponseHeaderLayer, timeout::TimeoutLayer};

#[get("/", sync)]
fn index() -> &'static str {
    "wrapped in layers"
}

#[get("/slow")]
async fn slow() -> &'static str {
    tokio::time::sleep(Duration::from_secs(60)).await;
    "the timeout is shorter"
}

fn main() -> pixie_web::Result<()> {
    let set = |name, value| SetResponseHeaderLayer::overriding(name, pixie_web::HeaderValue::from_static(value));
    let timeout = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, Duration::from_millis(100));
    App::collect()
        .layer(set(header::SERVER, "pixie"))
        .group(Group::new("/slow").layer(timeout))
        .route(Route::get("/news").sync(|_| "cached for a minute").layer(set(header::CACHE_CONTROL, "max-age=60")))
        .run()
}
