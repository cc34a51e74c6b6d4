//! The places for connections: who gets one, and what happens when all are taken.
//!
//! A connection that is idle gives its place to a new one. If every connection has a running request, a new
//! client waits for a moment and is then refused. Invariant: the accept loop never waits longer than
//! `PATIENCE` for a place.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{
    Config, Throttle,
    clients::{Client, Clients, Counted},
    counters::{Counters, OpenConnection, Protocol},
    open_files,
    registry::Registry,
};

/// Limits how long a new client waits for a place before it is refused. Most requests end within it.
const PATIENCE: Duration = Duration::from_secs(1);
/// Time from a search that has found no idle connection to the next one.
const SEARCH: Duration = Duration::from_millis(100);
/// The part of all connections that one search closes, so that a flood of silent connections does not cause a
/// search for each of them.
const CLOSED_SHARE: usize = 64;

/// The place of one connection, free again when this value is dropped.
pub(crate) struct Place {
    counted: Option<Counted>,
    _open: OpenConnection,
    counters: Counters,
    // Dropped last, so that a server whose places are all free counts zero connections.
    _permit: OwnedSemaphorePermit,
}

impl Place {
    /// Counts what the client speaks.
    pub(crate) fn note_protocol(&self, protocol: Protocol) {
        self.counters.note_protocol(protocol);
    }
}

pub(crate) struct Places {
    permits: Arc<Semaphore>,
    max: u32,
    clients: Arc<Clients>,
    per_client_max: usize,
    warnings: Throttle,
    /// About clients that have the most connections that they may have.
    client_warnings: Throttle,
    counters: Counters,
}

/// What the accept loop remembers about taken places.
#[derive(Default)]
pub(crate) struct Crowd {
    /// The last client was refused, so the next one need not wait as long.
    refuses: bool,
    /// When a search has found no idle connection.
    found_none: Option<Instant>,
}

impl Places {
    pub(crate) fn new(config: &Config, counters: &Counters) -> Places {
        let wanted = config.connections_max.clamp(1, Semaphore::MAX_PERMITS);
        let fits = open_files::connections_within(wanted);
        if fits < wanted {
            tracing::warn!(
                connections = fits,
                wanted,
                "the limit of open files allows fewer connections: raise it (`ulimit -n`, `LimitNOFILE=`) or lower \
                 `connections_max`"
            );
        }
        let max = u32::try_from(fits).unwrap_or(u32::MAX);
        let per_client_max = config.connections_per_client_max.unwrap_or(fits / 2).max(1);
        Places {
            permits: Arc::new(Semaphore::new(max as usize)),
            max,
            clients: Arc::default(),
            per_client_max,
            warnings: Throttle::of_warnings(),
            client_warnings: Throttle::of_warnings(),
            counters: counters.clone(),
        }
    }

    /// Returns a place, or `None` if this client is refused.
    pub(crate) async fn take(&self, client: Option<Client>, registry: &Registry, crowd: &mut Crowd) -> Option<Place> {
        if client.is_some_and(|client| !self.allows(client, registry)) {
            return None;
        }
        let permit = match self.permits.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => self.wait(registry, crowd).await?,
        };
        crowd.refuses = false;
        Some(self.place(permit, client.map(|client| self.clients.enter(client))))
    }

    /// Counts a connection for a client that was not known when it took its place. Returns whether the client
    /// may have a further connection.
    pub(crate) fn attribute(&self, place: &mut Place, client: Option<Client>, registry: &Registry) -> bool {
        let allowed = client.is_none_or(|client| self.allows(client, registry));
        place.counted = client.filter(|_| allowed).map(|client| self.clients.enter(client));
        allowed
    }

    /// Returns whether a client may have a further connection, at the cost of an idle one.
    fn allows(&self, client: Client, registry: &Registry) -> bool {
        if self.clients.count(client) < self.per_client_max {
            return true;
        }
        if self.client_warnings.is_due() {
            let max = self.per_client_max;
            tracing::warn!(%client, max, "a client has the most connections that it may have: closing its idle ones");
        }
        registry.close_idle(1, Some(client)) > 0
    }

    /// Returns a place for a connection that waits in the kernel when a shutdown begins.
    pub(crate) fn try_take(&self) -> Option<Place> {
        let permit = self.permits.clone().try_acquire_owned().ok()?;
        Some(self.place(permit, None))
    }

    fn place(&self, permit: OwnedSemaphorePermit, counted: Option<Counted>) -> Place {
        let counters = self.counters.clone();
        Place { counted, _open: counters.accept(), counters, _permit: permit }
    }

    async fn wait(&self, registry: &Registry, crowd: &mut Crowd) -> Option<OwnedSemaphorePermit> {
        if self.warnings.is_due() {
            tracing::warn!(
                connections_max = self.max,
                "all connections are in use: closing those that have been idle longest, refusing new ones if there \
                 are none"
            );
        }
        let begun = Instant::now();
        loop {
            let searches = crowd.found_none.is_none_or(|last| last.elapsed() >= SEARCH);
            let finds = searches && registry.close_idle(self.max as usize / CLOSED_SHARE + 1, None) > 0;
            if searches {
                crowd.found_none = (!finds).then(Instant::now);
            }
            if !finds && crowd.refuses {
                return None;
            }
            if let Ok(permit) = timeout(SEARCH, self.permits.clone().acquire_owned()).await {
                return permit.ok();
            }
            crowd.refuses = begun.elapsed() >= PATIENCE;
        }
    }

    /// Returns whether nearly all places are taken, so that clients have to prove their addresses.
    #[cfg(feature = "http3")]
    pub(crate) fn are_scarce(&self) -> bool {
        self.permits.available_permits() <= self.max as usize / 4
    }

    /// Returns how many places are taken.
    pub(crate) fn taken(&self) -> usize {
        self.max as usize - self.permits.available_permits()
    }

    /// Waits until no place is taken.
    pub(crate) async fn empty(&self) {
        // It fails only if the semaphore is closed, and we never close it.
        let _ = self.permits.acquire_many(self.max).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_client_cannot_take_the_places_of_others() {
        let config = Config::new().connections_max(6);
        let (places, registry) = (Places::new(&config, &Counters::default()), Registry::new(&config));
        let mut crowd = Crowd::default();
        let mut kept = Vec::new();
        let greedy = Client::at([192, 0, 2, 1].into());
        for _ in 0..3 {
            kept.push(places.take(greedy, &registry, &mut crowd).await.expect("it has less than half"));
        }
        assert!(places.take(greedy, &registry, &mut crowd).await.is_none());
        // Its idle connection gives up its place for the next one.
        let idle = registry.add(greedy);
        registry.sweep();
        kept.push(places.take(greedy, &registry, &mut crowd).await.expect("an idle one is closed"));
        assert!(idle.timeout().is_some());
        // A proxy on this machine may take all.
        for _ in 0..2 {
            kept.push(places.take(None, &registry, &mut crowd).await.expect("a place is free"));
        }
        assert_eq!(places.taken(), 6);
        drop(kept);
        assert!(places.take(greedy, &registry, &mut crowd).await.is_some());
    }
}
