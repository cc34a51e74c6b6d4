//! `PoolSlot`: a pool with its settings, running or not, and `Pools`: the view on all pools of an app.
use std::sync::{Arc, OnceLock};

use pixie_pool::{Config, Handler, Pool, Snapshot};
use tokio::sync::OnceCell;

/// A pool of the app: started at the start of `run`, or by the first request if the app is a service of
/// another server.
pub(crate) struct PoolSlot {
    pub(crate) config: Config,
    /// Runs jobs on threads of this process, if the pool has no workers. Kept, so that a second attempt to
    /// start the pool has the same one.
    pub(crate) handler: OnceLock<Handler>,
    pub(crate) pool: OnceCell<Pool>,
}

impl PoolSlot {
    /// Makes the slot of a pool that has not been started.
    pub(crate) fn new(config: Config) -> PoolSlot {
        PoolSlot { config, handler: OnceLock::new(), pool: OnceCell::new() }
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
