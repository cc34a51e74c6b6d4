//! A server: accepts connections until a shutdown begins, then waits for the open connections to end.
//!
//! Serves one `Listener` on the current runtime. To use several runtimes, clone the listener and the server
//! and serve on each; one `Shutdown` stops them all.

use std::{convert::Infallible, sync::Arc, time::Duration};

use tokio::{sync::Semaphore, task::JoinSet, time::sleep};

use crate::{
    Config, Connection, Counters, Error, HttpService, Listener, Shutdown,
    acceptor::{Accepted, Acceptor},
    closing::{REFUSAL_TIMEOUT, REFUSAL_TIMEOUT_SHORT, refuse},
    connection::{Protocols, serve},
    http3::Http3,
    opening::{Common, Opening, Openings},
    places::{Crowd, Place, Places},
    race::{First, race},
    registry::Registry,
    socket::Socket,
    watch::{Phase, Stage},
};

/// Limits how long `serve` waits for the tasks of connections that it has closed. Their tasks only have to
/// run once.
const CUT_PATIENCE: Duration = Duration::from_millis(100);

/// The least linger if another process has taken over. Waiting is then free, because clients are served by
/// that process. In a measurement on a busy machine, clients needed more than 50 ms between connection and
/// request.
const LINGER_HANDED_OVER: Duration = Duration::from_secs(1);

/// Limits the clients that are refused at the same time, so that they do not use up the open files.
const REFUSALS_MAX: usize = 64;

/// Serves HTTP with a configuration until a shutdown.
#[derive(Clone, Debug)]
pub struct Server {
    config: Config,
    shutdown: Shutdown,
    counters: Counters,
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
        Server { config, shutdown: Shutdown::new(), counters: Counters::default() }
    }

    /// Returns the server, which the given handle stops.
    pub fn until(self, shutdown: &Shutdown) -> Server {
        Server { shutdown: shutdown.clone(), ..self }
    }

    /// Returns the server, which counts its connections there.
    pub fn counting(self, counters: &Counters) -> Server {
        Server { counters: counters.clone(), ..self }
    }

    /// Serves every connection with its own service from `make`, and returns after a shutdown.
    ///
    /// If a service fails or panics, its connection is closed without a response. Dropping the future closes
    /// every connection.
    ///
    /// # Errors
    ///
    /// Fails if the configuration is invalid or the runtime cannot use the sockets of the listener.
    pub async fn serve<M, S>(self, mut listener: Listener, make: M) -> Result<Stopped, Error>
    where
        M: Fn(&Connection) -> S + Send + Sync + 'static,
        S: HttpService,
    {
        if let Some(mistake) = self.config.mistake() {
            return Err(Error::Refused(mistake.to_owned()));
        }
        let connections = Connections::new(&self.config, self.counters.clone(), &listener);
        let make = Arc::new(make);
        let udp = std::mem::take(&mut listener.udp);
        let mut acceptor = Acceptor::new(listener)?;
        let http3 = Http3::serve(udp, &self.config, &connections.common, &make)?;
        match race(self.close(), connections.accept_all(&mut acceptor, &make)).await {
            First::Left(()) => {}
            First::Right(never) => match never {},
        }
        connections.common.registry.set_stage(Stage::Closing);
        http3.close();
        connections.accept_waiting(acceptor, &make);
        let stopped = connections.end(&self.config, &self.shutdown).await;
        http3.end().await;
        Ok(stopped)
    }

    /// Waits until the listening sockets have to be closed.
    async fn close(&self) {
        self.shutdown.wait().await;
        // A successor with the same sockets takes the next connections.
        if !self.config.close_delay.is_zero() && !self.shutdown.is_handed_over() {
            race(self.shutdown.wait_at_once(), sleep(self.config.close_delay)).await;
        }
    }
}

/// The connections of one `serve`. Each open connection holds a place.
struct Connections {
    protocols: Arc<Protocols>,
    common: Common,
    refusals: Arc<Semaphore>,
    /// The sweeper, and what looks for new certificates. They end with this value.
    _tasks: JoinSet<()>,
}

impl Connections {
    fn new(config: &Config, counters: Counters, listener: &Listener) -> Connections {
        let registry = Arc::new(Registry::new(config));
        let swept = registry.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { swept.sweep_forever().await });
        listener.secured().for_each(|tls| drop(tasks.spawn(tls.watch())));
        let places = Arc::new(Places::new(config, &counters));
        let openings = Arc::new(Openings::new(config, &counters));
        Connections {
            protocols: Arc::new(Protocols::new(config)),
            common: Common { registry, places, openings, counters },
            refusals: Arc::new(Semaphore::new(REFUSALS_MAX)),
            _tasks: tasks,
        }
    }

    async fn accept_all<M, S>(&self, acceptor: &mut Acceptor, make: &Arc<M>) -> Infallible
    where
        M: Fn(&Connection) -> S + Send + Sync + 'static,
        S: HttpService,
    {
        let mut crowd = Crowd::default();
        loop {
            let accepted = match acceptor.accept(&self.common.registry).await {
                Ok(accepted) => accepted,
                Err(accepted) => {
                    self.refuse(accepted, REFUSAL_TIMEOUT_SHORT);
                    continue;
                }
            };
            match self.common.places.take(accepted.client(), &self.common.registry, &mut crowd).await {
                Some(place) => self.start(accepted, place, make),
                None => self.refuse(accepted, REFUSAL_TIMEOUT),
            }
        }
    }

    /// Answers with 503 in a task. If there are too many such tasks, or if the client expects TLS, the
    /// connection is closed without a response.
    fn refuse(&self, Accepted { stream, entry, .. }: Accepted, timeout: Duration) {
        self.common.counters.refuse();
        if entry.tls.is_none()
            && let Ok(permit) = self.refusals.clone().try_acquire_owned()
        {
            tokio::spawn(async move {
                refuse(stream, timeout).await;
                drop(permit);
            });
        }
    }

    /// Serves the waiting connections as long as there are places, and closes the listening sockets.
    fn accept_waiting<M, S>(&self, acceptor: Acceptor, make: &Arc<M>)
    where
        M: Fn(&Connection) -> S + Send + Sync + 'static,
        S: HttpService,
    {
        let mut waiting = acceptor.into_waiting();
        while let Some(place) = self.common.places.try_take()
            && let Some(accepted) = waiting.next()
        {
            self.start(accepted, place, make);
        }
    }

    fn start<M, S>(&self, accepted: Accepted, place: Place, make: &Arc<M>)
    where
        M: Fn(&Connection) -> S + Send + Sync + 'static,
        S: HttpService,
    {
        let watch = self.common.registry.add(accepted.client());
        let Accepted { stream, peer, entry } = accepted;
        // It fails only if the client has disconnected already.
        let Ok(local) = stream.prepare() else {
            return watch.enter(Phase::Closed);
        };
        let (protocols, make) = (self.protocols.clone(), make.clone());
        let shared = entry.is_opened().then(|| self.common.clone());
        tokio::spawn(async move {
            let mut opening = Opening { stream, connection: Connection { peer, local, tls: None }, place };
            if let Some(Common { openings, places, registry, .. }) = shared {
                match Box::pin(openings.open(opening, &entry, (&places, &registry), &watch)).await {
                    Some(opened) => opening = opened,
                    None => return watch.enter(Phase::Closed),
                }
            }
            let Opening { stream, connection, place } = opening;
            let service = make(&connection);
            let socket = Socket::new(stream, connection.peer, watch.clone(), place);
            serve(protocols, socket, service, entry, watch).await;
        });
    }

    /// Answers with `Connection: close` for a moment, then waits for running requests, then closes the rest.
    async fn end(&self, config: &Config, shutdown: &Shutdown) -> Stopped {
        let at_once = || shutdown.wait_at_once();
        let linger = if shutdown.is_handed_over() { config.linger.max(LINGER_HANDED_OVER) } else { config.linger };
        race(at_once(), race(self.common.places.empty(), sleep(linger))).await;
        self.common.registry.set_stage(Stage::Draining);
        race(at_once(), race(self.common.places.empty(), sleep(config.shutdown_grace))).await;
        let cut = self.common.places.taken();
        if cut > 0 {
            self.common.registry.set_stage(Stage::Cut);
            race(self.common.places.empty(), sleep(CUT_PATIENCE)).await;
        }
        Stopped { cut }
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        self.common.registry.set_stage(Stage::Cut);
    }
}
