//! Typed tasks: functions that are called here and run in a worker; serde carries their arguments and
//! results.
//!
//! Invariant: only processes with the same table of task names talk to each other.

mod call;
mod codec;
mod current;
mod entry;
mod init;
mod serve;
mod table;

pub use crate::task::{
    current::{extend, is_canceled, remaining},
    entry::{Entry, Fallible, Registered, Task, run},
    init::init,
};
