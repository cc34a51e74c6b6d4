//! What a fuzzer throws at the protocol, as ordinary functions of bytes that assert what must be true of any bytes.
//!
//! Compiled for tests and under `cargo fuzz` only. The targets in `tests/fuzz` call these functions, and the inputs that they
//! have found are kept there and replayed by every `cargo test`. Rule: the same bytes do the same in both.

mod books;
mod choices;
mod conversation;
mod frame;
mod parent;
mod step;
mod worker;

pub use self::{conversation::conversation, frame::decode_frame, parent::parent_receive, worker::worker_receive};

#[cfg(test)]
pub(crate) use self::{
    books::Books,
    conversation::{Conversation, Fate},
    step::Step,
};

#[cfg(test)]
mod tests;
