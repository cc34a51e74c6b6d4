//! The same routes on actix-web. `/block` runs on another thread by `web::block`.
#![forbid(unsafe_code)]

use std::io;

use actix_web::{
    App, HttpServer,
    web::{self, Json, Path, ServiceConfig},
};
use versus::{
    case::Protocol,
    peer::{self, EXTRA_ROUTES, HELLO, Message},
};

#[actix_web::main]
async fn main() -> io::Result<()> {
    peer::leave_with_driver();
    let server = HttpServer::new(|| App::new().configure(routes)).workers(2);
    let server = match peer::protocol() {
        Protocol::Http1 => server.bind(peer::address()?)?,
        Protocol::Http2 => server.bind_auto_h2c(peer::address()?)?,
        Protocol::Tls => server.bind_rustls_0_23(peer::address()?, peer::tls()?)?,
    };
    server.run().await
}

fn routes(config: &mut ServiceConfig) {
    config
        .route("/", web::get().to(index))
        .route("/large", web::get().to(large))
        .route("/json", web::get().to(json))
        .route("/users/{id}", web::get().to(user))
        .route("/block", web::get().to(block));
    // Its router tries one route after the other. After the measured routes, the others cost no time.
    for number in 0..EXTRA_ROUTES {
        config.route(&peer::extra_path(number), web::get().to(index));
    }
}

async fn index() -> &'static str {
    HELLO
}

async fn large() -> &'static str {
    peer::large()
}

async fn json() -> Json<Message> {
    Json(Message { message: HELLO })
}

async fn user(id: Path<String>) -> String {
    id.into_inner()
}

async fn block() -> actix_web::Result<&'static str> {
    Ok(web::block(|| HELLO).await?)
}
