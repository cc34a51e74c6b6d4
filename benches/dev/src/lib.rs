//! What the two measurements of `pixie dev` share: the command under way, its page, and medians.
#![forbid(unsafe_code)]

pub mod app;
pub mod args;
pub mod dev;
pub mod table;
