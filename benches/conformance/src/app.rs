//! The routes that the cases ask, and a server for them.
use std::{
    io::{self, Read},
    net::SocketAddr,
    thread,
};

use pixie_server::{Config, Listener, Server};
use pixie_web::{App, Body, BodyReader, Bytes, Form, Json, Pieces, Redirect, Request, Response, get, post};
use serde_json::Value;

#[get("/c/", sync)]
fn root() -> &'static str {
    "hello"
}

#[get("/c/host", sync)]
fn host(request: Request) -> String {
    format!("host={}", request.header("host").unwrap_or("none"))
}

#[get("/c/pieces", stream)]
fn pieces() -> Pieces {
    Pieces::new(["one", "two"])
}

#[get("/c/reset", sync)]
fn reset() -> Response {
    Response::new("a body").code(205).content_type("text/plain")
}

#[get("/c/redirect", sync)]
fn redirect() -> Redirect {
    Redirect::to("/caf\u{e9} au lait")
}

#[post("/c/json", sync)]
fn json(_: Json<Value>) -> &'static str {
    "json"
}

#[post("/c/form", sync)]
fn form(_: Form<Vec<(String, String)>>) -> &'static str {
    "form"
}

#[post("/c/bytes", sync)]
fn bytes(bytes: Bytes) -> String {
    format!("{} bytes", bytes.len())
}

#[post("/c/pool")]
fn pool(_: Json<Value>) -> &'static str {
    "json"
}

#[post("/c/reader", thread)]
fn reader(mut reader: BodyReader) -> io::Result<String> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes)?;
    Ok(format!("{} bytes", bytes.len()))
}

#[post("/c/body", async)]
async fn body(body: Body) -> Response {
    Response::new(body)
}

/// Serves an app with these routes on a free port, in a thread that runs until the program ends.
pub(crate) fn start(app: App) -> SocketAddr {
    let listener = Listener::bind("127.0.0.1", 0).expect("a port is free");
    let address = listener.local_addrs()[0];
    let service = app.workers(0).into_service().expect("the app fits together");
    thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("the system has threads");
        runtime.block_on(Server::new(Config::new()).serve(listener, move |_| service.clone()))
    });
    address
}
