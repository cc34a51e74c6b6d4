//! `Pools`: the app's worker pools, to look at.
use std::sync::{Arc, OnceLock};

use pixie_pool::Snapshot;

use crate::jobs::submit::PoolSlot;

/// The worker pools of an app: routes of the main process read them as `State<Pools>`.
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
    /// Returns each running pool as it is now: its workers, its queue, and what has happened since the start.
    pub fn snapshots(&self) -> Vec<Snapshot> {
        let slots = self.0.get().map_or(&[][..], Vec::as_slice);
        slots.iter().filter_map(|slot| slot.running()).map(pixie_pool::Pool::snapshot).collect()
    }

    /// Puts the pools in, once they are known.
    pub(crate) fn set<'s>(&self, slots: impl Iterator<Item = &'s Arc<PoolSlot>>) {
        // An app is composed once, so nothing was put in before.
        let _ = self.0.set(slots.cloned().collect());
    }
}
