//! A server: accepts connections until a shutdown begins, then waits for the open connections to end.
//!
//! Serves one `Listener` on the current runtime. To use several runtimes, clone the listener and the server
//! and serve on each; one `Shutdown` stops them all.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use hyper::server::conn::http1::Builder;
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
    time::sleep,
};

use crate::{
    Config, Connection, Error, HttpService, Listener, Shutdown,
    acceptor::Acceptor,
    connection::drive,
    race::{First, race},
    registry::Registry,
    socket::Socket,
    watch::Stage,
};

/// Limits how long `serve` waits for the tasks of connections that it has closed. Their tasks only have to
/// run once.
const CUT_PATIENCE: std::time::Duration = std::time::Duration::from_millis(100);

/// Serves HTTP with a configuration until a shutdown.
#[derive(Clone, Debug)]
pub struct Server {
    config: Config,
    shutdown: Shutdown,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stopped {
    /// The number of connections that were still busy after [`Config::shutdown_grace`] and were closed.
    pub cut: usize,
}

impl Server {
    /// Returns a server that runs until its future is dropped.
    pub fn new(config: Config) -> Server {
        Server { config, shutdown: Shutdown::new() }
    }

    /// Returns the server, which the given handle stops.
    pub fn until(self, shutdown: &Shutdown) -> Server {
        Server { shutdown: shutdown.clone(), ..self }
    }

    /// Serves every connection with its own service from `make`, and returns after a shutdown.
    ///
    /// If a service fails or panics, its connection is closed without a response. Dropping the future closes
    /// every connection.
    ///
    /// # Errors
    ///
    /// Fails if the configuration is invalid or the runtime cannot use the sockets of the listener.
    pub async fn serve<M, S>(self, listener: Listener, mut make: M) -> Result<Stopped, Error>
    where
        M: FnMut(&Connection) -> S,
        S: HttpService,
    {
        if let Some(mistake) = self.config.mistake() {
            return Err(Error::Refused(mistake.to_owned()));
        }
        let mut acceptor = Acceptor::new(listener)?;
        let connections = Connections::new(&self.config);
        match race(self.shutdown.wait(), connections.accept_all(&mut acceptor, &mut make)).await {
            First::Left(()) => {}
            First::Right(never) => match never {},
        }
        connections.registry.set_stage(Stage::Closing);
        connections.accept_waiting(acceptor, &mut make);
        Ok(connections.end(&self.config, &self.shutdown).await)
    }
}

/// The connections of one `serve`. Each open connection holds a permit.
struct Connections {
    http: Builder,
    registry: Arc<Registry>,
    permits: Arc<Semaphore>,
    permits_max: u32,
    sweeper: JoinHandle<()>,
}

impl Connections {
    fn new(config: &Config) -> Connections {
        let permits_max = u32::try_from(config.connections_max.clamp(1, Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        let registry = Arc::new(Registry::new(config));
        let swept = registry.clone();
        let mut http = Builder::new();
        http.max_header_size(config.head_bytes_max);
        Connections {
            http,
            registry,
            permits: Arc::new(Semaphore::new(permits_max as usize)),
            permits_max,
            sweeper: tokio::spawn(async move { swept.sweep_forever().await }),
        }
    }

    async fn accept_all<M, S>(&self, acceptor: &mut Acceptor, make: &mut M) -> Infallible
    where
        M: FnMut(&Connection) -> S,
        S: HttpService,
    {
        loop {
            let permit = self.permits.clone().acquire_owned().await;
            let permit = permit.expect("the semaphore is never closed");
            let (stream, peer) = acceptor.accept().await;
            self.start(stream, peer, permit, make);
        }
    }

    /// Serves the waiting connections as long as there are permits, and closes the listening sockets.
    fn accept_waiting<M, S>(&self, acceptor: Acceptor, make: &mut M)
    where
        M: FnMut(&Connection) -> S,
        S: HttpService,
    {
        let mut waiting = acceptor.into_waiting();
        while let Ok(permit) = self.permits.clone().try_acquire_owned()
            && let Some((stream, peer)) = waiting.next()
        {
            self.start(stream, peer, permit, make);
        }
    }

    fn start<M, S>(&self, stream: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit, make: &mut M)
    where
        M: FnMut(&Connection) -> S,
        S: HttpService,
    {
        // Both fail only if the client has disconnected already.
        let (Ok(local), Ok(())) = (stream.local_addr(), stream.set_nodelay(true)) else {
            return;
        };
        let watch = self.registry.add();
        let socket = Socket::new(stream, watch.clone(), permit);
        let service = make(&Connection { peer, local });
        tokio::spawn(drive(self.http.clone(), socket, service, watch));
    }

    /// Answers with `Connection: close` for a moment, then waits for running requests, then closes the rest.
    async fn end(&self, config: &Config, shutdown: &Shutdown) -> Stopped {
        let at_once = || shutdown.wait_at_once();
        race(at_once(), race(self.empty(), sleep(config.linger))).await;
        self.registry.set_stage(Stage::Draining);
        race(at_once(), race(self.empty(), sleep(config.shutdown_grace))).await;
        let cut = self.permits_max as usize - self.permits.available_permits();
        if cut > 0 {
            self.registry.set_stage(Stage::Cut);
            race(self.empty(), sleep(CUT_PATIENCE)).await;
        }
        Stopped { cut }
    }

    async fn empty(&self) {
        // It fails only if the semaphore is closed, and we never close it.
        let _ = self.permits.acquire_many(self.permits_max).await;
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        self.registry.set_stage(Stage::Cut);
        self.sweeper.abort();
    }
}
