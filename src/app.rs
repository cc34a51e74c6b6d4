//! `App`: the builder of an application. It collects routes, state, layers and settings.
//!
//! `compose.rs` checks whether they fit together, `run.rs` serves them. The files of the folder have the
//! methods of `App`, grouped by purpose.
pub(crate) mod routes;
pub(crate) mod group;
mod serving;
mod limits;
mod pools;
mod security;
mod hooks;
mod operators;
mod probes;
#[cfg(feature = "cors")]
pub(crate) mod cors;
mod roles;
mod lifecycle;
#[cfg(feature = "openapi")]
mod openapi;
#[cfg(feature = "store")]
mod store;
#[cfg(feature = "sessions")]
mod sessions;
#[cfg(feature = "sealed-cookies")]
mod keys;
/// Without the feature `sealed-cookies` an app has no keys.
#[cfg(not(feature = "sealed-cookies"))]
mod keys {
    use crate::{error::StartError, table::WorkerValue};
    pub(crate) fn are_read<'r>(_: impl Iterator<Item = &'r pixie_core::Route>) -> bool {
        false
    }
    pub(crate) fn provide(
        _: Vec<Vec<u8>>,
        _: Option<(&str, &str)>,
        _: &mut pixie_core::StateMap,
        _: &mut Vec<WorkerValue>,
    ) -> Result<(), StartError> {
        Ok(())
    }
}
pub(crate) mod compose;

use std::{collections::BTreeSet, fmt};

use pixie_core::{Route, StateMap};
use pixie_server::Shutdown;

use crate::{
    app::operators::Views,
    error::StartError,
    request::service::LayerFn,
    table::{WorkerValue, hooks::Level, lifecycle::Lifecycle, openapi::Wanted, settings::Settings, store::Store},
};

/// An application: its routes, its state, and how it is served.
///
/// ```no_run
/// use pixie_web::{App, Route};
///
/// fn main() -> pixie_web::Result<()> {
///     App::new().route(Route::get("/").sync(|_| "Hello")).port(8080).run()
/// }
/// ```
///
/// An app whose routes come from attributes starts with [`App::collect`]. Tests ask it without a socket:
///
/// ```standalone_crate
/// use pixie_web::{App, State, get};
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// #[get("/", sync)]
/// fn visits(count: State<AtomicUsize>) -> String {
///     format!("visit {}", count.fetch_add(1, Ordering::Relaxed) + 1)
/// }
///
/// let client = App::collect().state(AtomicUsize::new(0)).test()?;
/// client.get("/").send().assert_text("visit 1");
/// client.get("/").send().assert_text("visit 2");
/// # Ok::<(), pixie_web::Error>(())
/// ```
#[derive(Default)]
pub struct App {
    /// Each with the package that it comes from.
    pub(crate) routes: Vec<(&'static str, Route)>,
    pub(crate) packages: BTreeSet<&'static str>,
    pub(crate) state: StateMap,
    pub(crate) worker_values: Vec<WorkerValue>,
    /// The secrets of sealed cookies.
    pub(crate) secrets: Vec<Vec<u8>>,
    pub(crate) store: Option<Store>,
    /// The hooks and error pages of the whole app.
    pub(crate) level: Level,
    pub(crate) groups: Vec<(String, Level)>,
    /// Mistakes that were found before the start.
    pub(crate) mistakes: Vec<StartError>,
    /// The declared pools.
    pub(crate) pools: Vec<pixie_pool::Config>,
    pub(crate) trusted_origins: Vec<String>,
    #[cfg(feature = "cors")]
    pub(crate) cors: Option<(cors::Cors, pixie_core::Place)>,
    pub(crate) layers: Vec<LayerFn>,
    pub(crate) views: Views,
    pub(crate) openapi: Wanted,
    pub(crate) settings: Settings,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) shutdown: Shutdown,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes: Vec<_> = self.routes.iter().map(|(_, route)| route.path()).collect();
        f.debug_struct("App").field("routes", &routes).field("settings", &self.settings).finish_non_exhaustive()
    }
}
