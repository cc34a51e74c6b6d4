//! In place of `meter.rs` without the feature `metrics`: nothing is measured, and nothing is paid for that.
use std::sync::Arc;

use http::StatusCode;
use pixie_core::{Response, Result};

use crate::{app::compose::Composed, table::pools::Pools};

/// The metrics of one route: none.
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

/// Does nothing: no app can ask for metrics.
pub(crate) fn install(_: &Composed) -> Result<()> {
    Ok(())
}

/// Shows nothing: no app can ask for it.
pub(crate) fn page(_: &Pools) -> Response {
    Response::empty(StatusCode::NOT_FOUND)
}
