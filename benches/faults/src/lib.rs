//! What the bench `faults` and its servers share: the faults, and the numbers that are the same for every server.
//!
//! Each server is a program of its own in `src/bin` or `apps`. Nothing here knows a framework.
#![forbid(unsafe_code)]

pub mod fault;
pub mod peer;

pub use bench_kit::Result;
