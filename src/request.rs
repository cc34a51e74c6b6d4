//! A request's way through the main process: from the server to its handler or to a worker pool, and back.
pub(crate) mod service;
pub(crate) mod dispatch;
pub(crate) mod intake;
pub(crate) mod arriving;
pub(crate) mod outcome;
mod later;
pub(crate) mod layered;
pub(crate) mod timed;
mod reported;
mod excerpt;
mod nearby;
mod until_stop;
