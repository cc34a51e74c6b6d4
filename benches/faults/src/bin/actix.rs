//! actix-web: each handler runs on a thread by `web::block`, with a timeout around it.
#![forbid(unsafe_code)]

use std::io;

use actix_web::{
    App, HttpServer,
    error::{ErrorGatewayTimeout, Result},
    rt::time::timeout,
    web::{self, Path, Query},
};
use faults_bench::{
    fault,
    peer::{self, Ask, DEADLINE, WORKERS},
};

#[actix_web::main]
async fn main() -> io::Result<()> {
    let app = || App::new().route("/ok", web::get().to(ok)).route("/fault/{name}", web::get().to(commit));
    HttpServer::new(app).workers(WORKERS).bind(peer::address()?)?.run().await
}

async fn ok(ask: Query<Ask>) -> Result<String> {
    elsewhere(move || ask.into_inner().id).await
}

async fn commit(name: Path<String>) -> Result<&'static str> {
    elsewhere(move || fault::commit(&name)).await
}

async fn elsewhere<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    Ok(timeout(DEADLINE, web::block(work)).await.map_err(ErrorGatewayTimeout)??)
}
