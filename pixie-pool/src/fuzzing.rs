//! The fuzz targets of the protocol: functions of bytes that assert what must be true for all bytes.
//!
//! Compiled only for tests and under `cargo fuzz`. The targets in `tests/fuzz` call these functions; the
//! inputs that they have found are stored there, and every `cargo test` replays them. Invariant: the same
//! bytes do the same in both.

mod books;
mod choices;
mod conversation;
mod frame;
mod job;
mod parent;
mod step;
mod worker;

pub use self::{conversation::conversation, frame::decode_frame, parent::parent_receive, worker::worker_receive};

#[cfg(test)]
pub(crate) use self::{books::Books, conversation::Conversation, job::Fate, step::Step};

#[cfg(test)]
mod tests;
