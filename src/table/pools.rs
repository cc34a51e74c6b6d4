//! `PoolSlot`: a pool with its settings, running or not, and `Pools`: the view on all pools of an app.
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use pixie_core::{Route, RouteType};
use pixie_pool::{Config, Handler, Pool, Snapshot};
use pixie_server::Throttle;
use tokio::sync::OnceCell;

/// Time that another request may wait for a worker while slow clients hold too many of them. A busy pool has
/// such waits, too, so a response is not cut off for a shorter one.
const HELD_WAIT_MAX: Duration = Duration::from_secs(1);

/// The pool of the pool routes that name no pool.
pub(crate) const DEFAULT_POOL: &str = "default";
/// The pool of the stream routes that name no pool. A stream may never end, so it must not take a worker from
/// other routes.
pub(crate) const STREAM_POOL: &str = "streams";
/// The pool of the routes with the option `fresh` that name no pool.
pub(crate) const FRESH_POOL: &str = "fresh";

/// Returns the pool that a route runs in, if it runs in one.
pub(crate) fn pool_of(route: &Route) -> Option<&'static str> {
    let unnamed = match (route.options().fresh, route.kind()) {
        (true, _) => FRESH_POOL,
        (false, RouteType::Stream) => STREAM_POOL,
        (false, _) => DEFAULT_POOL,
    };
    route.kind().is_pooled().then(|| route.options().pool.unwrap_or(unnamed))
}

/// Names of settings, with the origins of their values.
pub(crate) type Origins = BTreeMap<&'static str, String>;

/// A pool of the app: started at the start of `run`, or by the first request if the app is a service of
/// another server.
pub(crate) struct PoolSlot {
    pub(crate) config: Config,
    /// Where the settings come from. A setting without an entry has its default.
    pub(crate) origins: Origins,
    /// Runs jobs on threads of this process, if the pool has no workers. Kept, so that a second attempt to
    /// start the pool has the same one.
    pub(crate) handler: OnceLock<Handler>,
    pub(crate) pool: OnceCell<Pool>,
    /// The workers that slow clients hold, numbered in their order.
    held: Mutex<BTreeSet<u64>>,
    /// About workers that slow clients hold.
    hold_warnings: Throttle,
    /// About responses that were cut off.
    cut_warnings: Throttle,
}

/// A worker that waits for a slow client, as long as this value exists.
pub(crate) struct HeldWorker {
    slot: Arc<PoolSlot>,
    number: u64,
}

impl PoolSlot {
    /// Makes the slot of a pool that has not been started.
    pub(crate) fn new(config: Config, origins: Origins) -> PoolSlot {
        PoolSlot {
            config,
            origins,
            handler: OnceLock::new(),
            pool: OnceCell::new(),
            held: Mutex::default(),
            hold_warnings: Throttle::of_warnings(),
            cut_warnings: Throttle::of_warnings(),
        }
    }

    fn held(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a slow client holds a worker, and says so in the log.
    pub(crate) fn hold(self: &Arc<PoolSlot>) -> HeldWorker {
        let mut held = self.held();
        let number = held.last().map_or(0, |last| last + 1);
        held.insert(number);
        if self.hold_warnings.is_due() {
            let fix = "allow larger files with `App::response_backlog`, or give the route a pool of its own";
            tracing::warn!(pool = self.name(), held = held.len(), "a worker is held by a slow client: {fix}");
        }
        drop(held);
        HeldWorker { slot: self.clone(), number }
    }

    /// Returns the pool's name.
    pub(crate) fn name(&self) -> &str {
        &self.config.name
    }

    /// Returns the pool if it has been started.
    pub(crate) fn running(&self) -> Option<&Pool> {
        self.pool.get()
    }
}

impl HeldWorker {
    /// Returns whether the client must give the worker up: it has held it longest, slow clients hold more
    /// than half of the pool, and another request waits.
    pub(crate) fn must_end(&self) -> bool {
        let (slot, held) = (&self.slot, self.slot.held());
        let half = slot.config.jobs_at_once().max / 2;
        if held.len() <= half || held.first() != Some(&self.number) {
            return false;
        }
        drop(held);
        let waits = slot.running().and_then(|pool| pool.snapshot().oldest_wait);
        let must_end = waits.is_some_and(|time| time >= HELD_WAIT_MAX);
        if must_end && slot.cut_warnings.is_due() {
            tracing::warn!(
                pool = slot.name(),
                "cut off the response of a slow client, because others waited for its worker"
            );
        }
        must_end
    }
}

impl Drop for HeldWorker {
    fn drop(&mut self) {
        self.slot.held().remove(&self.number);
    }
}

/// The worker pools of an app. Routes of the main process read them as `State<Pools>`.
///
/// ```standalone_crate
/// use pixie_web::{Json, Pools, State, get};
///
/// #[get("/busy", sync)]
/// fn busy(pools: State<Pools>) -> Json<usize> {
///     Json(pools.snapshots().iter().map(|pool| pool.busy).sum())
/// }
/// ```
#[derive(Clone, Default)]
pub struct Pools(Arc<OnceLock<Vec<Arc<PoolSlot>>>>);

impl Pools {
    /// Returns the state of each running pool: its workers, its queue, and its counters since the start.
    pub fn snapshots(&self) -> Vec<Snapshot> {
        let slots = self.0.get().map_or(&[][..], Vec::as_slice);
        slots.iter().filter_map(|slot| slot.running()).map(Pool::snapshot).collect()
    }

    /// Returns each pool of the app with the reason why it cannot run jobs, if it cannot. A pool that has not
    /// been started is not in trouble.
    pub(crate) fn troubles(&self) -> impl Iterator<Item = (String, Option<&'static str>)> {
        let slots = self.0.get().map_or(&[][..], Vec::as_slice);
        slots.iter().map(|slot| (slot.name().to_owned(), slot.running().and_then(Pool::trouble)))
    }

    /// Stores the pools of an app, which are known after its state was made.
    pub(crate) fn set<'s>(&self, slots: impl Iterator<Item = &'s Arc<PoolSlot>>) {
        // An app is composed once, so this is the first call.
        let _ = self.0.set(slots.cloned().collect());
    }
}

impl std::fmt::Debug for Pools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let slots = self.0.get().map_or(&[][..], Vec::as_slice);
        f.debug_list().entries(slots.iter().map(|slot| slot.name())).finish()
    }
}
