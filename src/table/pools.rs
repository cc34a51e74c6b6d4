//! `Pools`: read access to the app's worker pools.
use std::sync::{Arc, OnceLock};

use pixie_pool::Snapshot;

use crate::jobs::submit::PoolSlot;

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
    /// Returns a snapshot of each running pool: its workers, its queue, and its counts since the start.
    pub fn snapshots(&self) -> Vec<Snapshot> {
        let slots = self.0.get().map_or(&[][..], Vec::as_slice);
        slots.iter().filter_map(|slot| slot.running()).map(pixie_pool::Pool::snapshot).collect()
    }

    /// Sets the pools when they are known.
    pub(crate) fn set<'s>(&self, slots: impl Iterator<Item = &'s Arc<PoolSlot>>) {
        // An app is composed once, so this is the first call.
        let _ = self.0.set(slots.cloned().collect());
    }
}
