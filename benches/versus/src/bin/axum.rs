//! The same routes on axum with `axum::serve`. `/block` runs on another thread by `spawn_blocking`.
#![forbid(unsafe_code)]

use std::{io, net::SocketAddr, sync::Arc};

use axum::{Json, Router, extract::Path, http::StatusCode, routing::get, serve::Listener};
use tokio::{
    net::{TcpListener, TcpStream},
    task::spawn_blocking,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use versus::{
    case::Protocol,
    peer::{self, EXTRA_ROUTES, HELLO, Message},
};

#[tokio::main(worker_threads = 2)]
async fn main() -> io::Result<()> {
    peer::leave_with_driver();
    let mut app = Router::new()
        .route("/", get(index))
        .route("/large", get(large))
        .route("/json", get(json))
        .route("/users/{id}", get(user))
        .route("/block", get(block));
    for number in 0..EXTRA_ROUTES {
        app = app.route(&peer::extra_path(number), get(index));
    }
    let listener = TcpListener::bind(peer::address()?).await?;
    if peer::protocol() == Protocol::Tls {
        let tls = TlsAcceptor::from(Arc::new(peer::tls()?));
        return axum::serve(Secured { listener, tls }, app).await;
    }
    axum::serve(listener, app).await
}

/// A listener for HTTPS. One handshake follows the other, which costs no time once all connections are open.
struct Secured {
    listener: TcpListener,
    tls: TlsAcceptor,
}

impl Listener for Secured {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            let _ = stream.set_nodelay(true);
            if let Ok(stream) = self.tls.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
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

async fn user(Path(id): Path<String>) -> String {
    id
}

async fn block() -> Result<&'static str, StatusCode> {
    spawn_blocking(|| HELLO).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}
