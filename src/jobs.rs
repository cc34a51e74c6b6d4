//! A request's way through a worker pool: it becomes a job, runs in a worker, and the job's reply becomes a
//! response.
pub(crate) mod submit;
pub(crate) mod wire;
pub(crate) mod worker;
mod streamed;
mod handover;
pub(crate) mod block_on;
