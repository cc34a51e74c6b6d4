//! The parent's connections to its workers and the jobs on them.

pub(crate) mod cpu_meter;
pub(crate) mod job_state;
pub(crate) mod kill;
pub(crate) mod pace;
pub(crate) mod pieces;
pub(crate) mod recycling;
pub(crate) mod sent_job;
pub(crate) mod socket;
pub(crate) mod state;
pub(crate) mod upload;
