//! Typed tasks: functions that are called here and run in a worker. serde carries arguments and results.
//!
//! Invariant: only processes with the same table of task names talk to each other.

mod call;
mod codec;
mod entry;
mod init;

pub use crate::task::{
    call::{extend, is_canceled, remaining},
    entry::{Entry, Fallible, Registered, Task, run},
    init::{init, init_with},
};
