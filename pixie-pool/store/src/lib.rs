#![doc = include_str!("../README.md")]

mod backend;
mod call;
mod error;
mod feed;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod limits;
mod op;
mod rate;
mod room;
mod rules;
mod store;
mod table;
mod topic;

pub use crate::{
    backend::Transport,
    call::{Call, Pending, Write},
    error::Error,
    feed::{Change, ChangeKind},
    gate::{Access, Answering, Gate},
    rate::{Allowance, Rate},
    store::{Builder, Entry, Store, Version},
    topic::{Subscription, Topic, Watch},
};
