//! The processes of a pool.

pub(crate) mod child;
pub(crate) mod exit_report;
pub(crate) mod handshake;
pub(crate) mod memory;
pub(crate) mod output;
pub(crate) mod worker;
