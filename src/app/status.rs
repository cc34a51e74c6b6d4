//! The status: what the pools look like now, as JSON.
//!
//! What is in it is what a `Snapshot` holds; who may see it is decided in `operators.rs`.
use pixie_core::Json;
use pixie_pool::Snapshot;
use serde::Serialize;

use crate::table::pools::Pools;

/// The whole answer.
#[derive(Serialize)]
pub(crate) struct Status {
    /// Every pool that has been started.
    pools: Vec<Snapshot>,
}

/// Looks at the pools.
pub(crate) fn page(pools: &Pools) -> Json<Status> {
    Json(Status { pools: pools.snapshots() })
}
