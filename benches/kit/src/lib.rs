//! What the benches share: running programs, sending requests, counting latencies, observing processes.
//!
//! It has no dependencies, so that no bench compiles what only another bench needs.
#![forbid(unsafe_code)]

pub mod complaints;
pub mod histogram;
pub mod http;
pub mod options;
pub mod process;
pub mod show;
pub mod spread;
pub mod system;

/// The result of a step whose error can only be printed.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
