//! Tower layers around a pixie app; every layer of tower-http works.
use std::time::Duration;

use pixie_web::{App, StatusCode, get};
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
    let served_by = pixie_web::HeaderValue::from_static("pixie");
    App::collect()
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, Duration::from_millis(100)))
        .layer(SetResponseHeaderLayer::overriding(pixie_web::header::SERVER, served_by))
        .run()
}
