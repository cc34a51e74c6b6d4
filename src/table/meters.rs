//! The requests of all routes, for the status page. Without the feature `metrics` there are no counts.
//!
//! The counts are those of this process since its start. Invariant: names are those of routes, never data
//! from a client.
use std::sync::{Arc, OnceLock};

use serde::Serialize;

use crate::table::meter::RouteMeter;

/// The meters of an app, which are known after the route of its status page was made.
#[derive(Clone, Default)]
pub(crate) struct Meters(Arc<OnceLock<Vec<Arc<RouteMeter>>>>);

/// What one route has answered.
#[derive(Debug, Serialize)]
pub(crate) struct RouteCounts {
    /// The route's name; empty for requests without a route.
    pub(crate) name: Arc<str>,
    /// Responses of every status.
    pub(crate) requests: u64,
    /// Responses with a status of 500 or more.
    pub(crate) errors: u64,
    /// The sum of the times from the head of the request to the head of the response.
    pub(crate) seconds: f64,
}

impl Meters {
    pub(crate) fn set(&self, meters: impl Iterator<Item = Arc<RouteMeter>>) {
        // An app is composed once, so this is the first call.
        let _ = self.0.set(meters.collect());
    }

    /// Returns the counts of each route that has answered a request.
    pub(crate) fn counts(&self) -> Vec<RouteCounts> {
        self.0.get().into_iter().flatten().filter_map(|meter| meter.counts()).collect()
    }
}
