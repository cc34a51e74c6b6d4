//! The status page: the current state of the pools, as JSON.
//!
//! `Snapshot` defines the content. `operators.rs` decides who may read the page.
use pixie_core::Json;
use pixie_pool::Snapshot;
use serde::Serialize;

use crate::table::pools::Pools;

/// The content of the page.
#[derive(Serialize)]
pub(crate) struct Status {
    /// Every pool that has been started.
    pools: Vec<Snapshot>,
}

/// Returns the current state of the pools.
pub(crate) fn page(pools: &Pools) -> Json<Status> {
    Json(Status { pools: pools.snapshots() })
}
