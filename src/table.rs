//! What is known of an app after its start: what requests and jobs read.
pub(crate) mod csrf;
pub(crate) mod hooks;
pub(crate) mod host;
#[cfg(feature = "metrics")]
pub(crate) mod meter;
#[cfg(not(feature = "metrics"))]
#[path = "table/meter/absent.rs"]
pub(crate) mod meter;
pub(crate) mod panics;
pub(crate) mod pools;
pub(crate) mod request_ids;
pub(crate) mod settings;
pub(crate) mod spool;
pub(crate) mod time_limit;
pub(crate) mod urls;
