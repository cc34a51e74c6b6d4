//! Serves a tower service without a framework: `cargo run --release -p pixie-server --example bare`.
//!
//! With `PIXIE_RUNTIMES=2` it serves from two single-threaded runtimes, instead of one runtime with two
//! threads.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, header::CONTENT_TYPE};
use http_body_util::Full;
use pixie_server::{Config, Listener, RequestBody, Server, Shutdown};
use tokio::runtime::Builder;
use tower_service::Service;

struct Hello;

impl Service<Request<RequestBody>> for Hello {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<RequestBody>) -> Self::Future {
        let mut response = Response::new(Full::new(Bytes::from_static(b"Hello, world!")));
        let plain = http::HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, plain);
        ready(Ok(response))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::var("PIXIE_PORT").map_or(Ok(8000), |port| port.parse())?;
    let runtimes = std::env::var("PIXIE_RUNTIMES").map_or(Ok(0), |count| count.parse::<usize>())?;
    let listener = match Listener::adopted()? {
        Some(listener) => listener,
        None => Listener::bind("localhost", port)?,
    };
    let shutdown = Shutdown::new();
    shutdown.on_signals()?;
    let server = Server::new(Config::new()).until(&shutdown);
    for address in listener.local_addrs() {
        println!("listening on http://{address}");
    }
    if runtimes == 0 {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        println!("{:?}", runtime.block_on(server.serve(listener, |_| Hello))?);
        return Ok(());
    }
    std::thread::scope(|scope| {
        for _ in 0..runtimes {
            let (server, listener) = (server.clone(), listener.try_clone());
            scope.spawn(move || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
                let runtime = Builder::new_current_thread().enable_all().build()?;
                println!("{:?}", runtime.block_on(server.serve(listener?, |_| Hello))?);
                Ok(())
            });
        }
        drop(listener);
    });
    Ok(())
}
