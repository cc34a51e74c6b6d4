//! Replaces `meter.rs` without the feature `metrics`: measures and costs no time.
use std::sync::Arc;

use http::StatusCode;
use pixie_core::Response;

use crate::{
    error::StartError,
    table::{pools::Pools, settings::Settings},
};

/// Stands for the metrics of a route.
pub(crate) struct RouteMeter;

impl RouteMeter {
    pub(crate) fn new(_: Arc<str>) -> Arc<RouteMeter> {
        Arc::new(RouteMeter)
    }
}

/// A request that is not measured.
pub(crate) struct Measured;

impl Measured {
    pub(crate) fn begin() -> Measured {
        Measured
    }

    pub(crate) fn by(&mut self, _: &Arc<RouteMeter>) {}

    pub(crate) fn end(&mut self, _: StatusCode) {}
}

/// Does nothing: an app cannot ask for metrics without the feature.
pub(crate) fn install(_: &Settings) -> Result<(), StartError> {
    Ok(())
}

/// Returns an empty page: an app cannot ask for metrics without the feature.
pub(crate) fn page(_: &Pools) -> Response {
    Response::empty(StatusCode::NOT_FOUND)
}
