//! The life of a server: accept until a shutdown is asked for, then let the connections come to their end.
//!
//! It serves one `Listener` on the runtime that it is called on. To use several runtimes, clone the listener and the
//! server and serve on each; one `Shutdown` stops them all.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
};

use http::Request;
use hyper::server::conn::http1::Builder;
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
    time::sleep,
};
use tower_service::Service;

use crate::{
    Config, Connection, Error, HttpService, Listener, RequestBody, Shutdown,
    acceptor::Acceptor,
    connection::drive,
    race::{First, race},
    registry::Registry,
    socket::Socket,
    watch::Stage,
};

/// How long cut connections get to take notice before `serve` returns.
const CUT_PATIENCE: std::time::Duration = std::time::Duration::from_millis(100);

/// Serves HTTP with a configuration, until a shutdown.
#[derive(Clone, Debug)]
pub struct Server {
    config: Config,
    shutdown: Shutdown,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stopped {
    /// How many connections were still busy after the grace and were cut.
    pub cut: usize,
}

impl Server {
    /// Returns a server that runs until its future is dropped.
    pub fn new(config: Config) -> Server {
        Server { config, shutdown: Shutdown::new() }
    }

    /// Returns the server with a handle that stops it.
    pub fn until(self, shutdown: &Shutdown) -> Server {
        Server { shutdown: shutdown.clone(), ..self }
    }

    /// Serves every connection with a service of its own, and returns after an orderly shutdown.
    ///
    /// A service's error and a service's panic both close the connection without an answer. Dropping this future cuts
    /// every connection.
    pub async fn serve<M, S>(self, listener: Listener, mut make: M) -> Result<Stopped, Error>
    where
        M: FnMut(&Connection) -> S,
        S: HttpService,
    {
        let mut acceptor = Acceptor::new(listener)?;
        let connections = Connections::new(&self.config);
        match race(self.shutdown.wait(), connections.accept_all(&mut acceptor, &mut make)).await {
            First::Left(()) => {}
            First::Right(never) => match never {},
        }
        connections.registry.order(Stage::Closing);
        connections.accept_waiting(acceptor, &mut make);
        Ok(connections.end(&self.config, &self.shutdown).await)
    }

    /// Serves every connection with a clone of one service, which finds the [`Connection`] in the request's extensions.
    ///
    /// The extension costs an allocation per request; a service made by [`serve`](Server::serve) does without.
    pub async fn serve_service<S>(self, listener: Listener, service: S) -> Result<Stopped, Error>
    where
        S: HttpService + Clone,
    {
        self.serve(listener, move |&connection| WithConnection { service: service.clone(), connection }).await
    }
}

/// The connections of one `serve`, and the means to end them.
struct Connections {
    http: Builder,
    registry: Arc<Registry>,
    places: Arc<Semaphore>,
    places_max: u32,
    sweeper: JoinHandle<()>,
}

impl Connections {
    fn new(config: &Config) -> Connections {
        let places_max = u32::try_from(config.connections_max.clamp(1, Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        let registry = Arc::new(Registry::new(config));
        let swept = registry.clone();
        let mut http = Builder::new();
        http.max_header_size(config.head_bytes_max);
        Connections {
            http,
            registry,
            places: Arc::new(Semaphore::new(places_max as usize)),
            places_max,
            sweeper: tokio::spawn(async move { swept.sweep_forever().await }),
        }
    }

    async fn accept_all<M, S>(&self, acceptor: &mut Acceptor, make: &mut M) -> Infallible
    where
        M: FnMut(&Connection) -> S,
        S: HttpService,
    {
        loop {
            let place = self.places.clone().acquire_owned().await;
            let place = place.expect("the semaphore is never closed");
            let (stream, peer) = acceptor.accept().await;
            self.start(stream, peer, place, make);
        }
    }

    /// Serves the connections that wait, as far as there are places for them, and closes the listening sockets.
    fn accept_waiting<M, S>(&self, acceptor: Acceptor, make: &mut M)
    where
        M: FnMut(&Connection) -> S,
        S: HttpService,
    {
        let mut waiting = acceptor.into_waiting();
        while let Ok(place) = self.places.clone().try_acquire_owned()
            && let Some((stream, peer)) = waiting.next()
        {
            self.start(stream, peer, place, make);
        }
    }

    fn start<M, S>(&self, stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit, make: &mut M)
    where
        M: FnMut(&Connection) -> S,
        S: HttpService,
    {
        // Both fail only when the client is gone already.
        let (Ok(local), Ok(())) = (stream.local_addr(), stream.set_nodelay(true)) else {
            return;
        };
        let watch = self.registry.admit();
        let socket = Socket::new(stream, watch.clone(), place);
        let service = make(&Connection::new(peer, local));
        tokio::spawn(drive(self.http.clone(), socket, service, watch));
    }

    /// Lets the clients learn for a moment that it is over, then waits for what runs, then cuts.
    async fn end(&self, config: &Config, shutdown: &Shutdown) -> Stopped {
        let at_once = || shutdown.wait_at_once();
        race(at_once(), race(self.empty(), sleep(config.linger))).await;
        self.registry.order(Stage::Draining);
        race(at_once(), race(self.empty(), sleep(config.shutdown_grace))).await;
        let cut = self.places_max as usize - self.places.available_permits();
        if cut > 0 {
            self.registry.order(Stage::Cut);
            race(self.empty(), sleep(CUT_PATIENCE)).await;
        }
        Stopped { cut }
    }

    async fn empty(&self) {
        // An error would mean that the semaphore is closed, which nobody does.
        let _ = self.places.acquire_many(self.places_max).await;
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        self.registry.order(Stage::Cut);
        self.sweeper.abort();
    }
}

/// Puts the connection into each request's extensions.
#[derive(Clone)]
struct WithConnection<S> {
    service: S,
    connection: Connection,
}

impl<S: Service<Request<RequestBody>>> Service<Request<RequestBody>> for WithConnection<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<RequestBody>) -> S::Future {
        request.extensions_mut().insert(self.connection);
        self.service.call(request)
    }
}
