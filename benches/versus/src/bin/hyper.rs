//! The baseline: bare hyper with its header timeout on, or without any timer if `HEADER_TIMER=off`.
#![forbid(unsafe_code)]

use std::{convert::Infallible, env, io, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use versus::{
    case::Protocol,
    peer::{self, HELLO, Message},
};

#[tokio::main(worker_threads = 2)]
async fn main() -> io::Result<()> {
    peer::leave_with_driver();
    let http = http1_builder();
    let http2 = http2::Builder::new(TokioExecutor::new());
    let listener = TcpListener::bind(peer::address()?).await?;
    let protocol = peer::protocol();
    let tls = if protocol == Protocol::Tls { Some(TlsAcceptor::from(Arc::new(peer::tls()?))) } else { None };
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        if let Some(tls) = tls.clone() {
            let http = http.clone();
            tokio::spawn(async move {
                if let Ok(stream) = tls.accept(stream).await {
                    // An error of one connection is not one of the server.
                    let _ = http.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
                }
            });
        } else if protocol == Protocol::Http2 {
            tokio::spawn(http2.serve_connection(TokioIo::new(stream), service_fn(answer)));
        } else {
            tokio::spawn(http.serve_connection(TokioIo::new(stream), service_fn(answer)));
        }
    }
}

fn http1_builder() -> http1::Builder {
    let mut http = http1::Builder::new();
    if env::var("HEADER_TIMER").is_ok_and(|timer| timer == "off") {
        http.header_read_timeout(None);
    } else {
        http.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(30));
    }
    http
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(match request.uri().path() {
        "/" => text(Bytes::from_static(HELLO.as_bytes())),
        "/large" => text(Bytes::from_static(peer::large().as_bytes())),
        "/json" => json(&Message { message: HELLO }),
        "/extra/0" | "/extra/1" | "/extra/2" | "/extra/3" | "/extra/4" | "/extra/5" | "/extra/6" | "/extra/7"
        | "/extra/8" | "/extra/9" | "/extra/10" | "/extra/11" | "/extra/12" | "/extra/13" | "/extra/14"
        | "/extra/15" | "/extra/16" | "/extra/17" | "/extra/18" | "/extra/19" => {
            text(Bytes::from_static(HELLO.as_bytes()))
        }
        path => match path.strip_prefix("/users/") {
            Some(id) => text(Bytes::from(id.to_owned())),
            None => status(StatusCode::NOT_FOUND),
        },
    })
}

fn text(body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn json(message: &Message) -> Response<Full<Bytes>> {
    let Ok(body) = serde_json::to_vec(message) else {
        return status(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
