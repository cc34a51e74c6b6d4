//! What the benches share: running other programs, asking a server, counting latencies, looking at processes.
//!
//! It depends on nothing, so that no bench pays for another one's peers.
#![forbid(unsafe_code)]

pub mod histogram;
pub mod http;
pub mod options;
pub mod process;
pub mod show;
pub mod spread;
pub mod system;

/// The result of a step that can only be reported.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
