//! What the bench `faults` and its servers share: the faults, and numbers that are the same for every server.
//!
//! Each server is a program in `src/bin` or `apps`. This library does not depend on a web framework.
#![forbid(unsafe_code)]

pub mod fault;
pub mod peer;

pub use bench_kit::Result;
