//! Measures pixie against other servers: the parts that the two programs, `versus` and `build_cost`, and the servers share.
//!
//! Each server is a program of its own in `src/bin`. Nothing here knows a framework, so that no server gets help
//! that another lacks.
#![forbid(unsafe_code)]

pub mod args;
pub mod case;
pub mod peer;
pub mod probe;
pub mod process;
pub mod report;
pub mod rounds;
pub mod server;
pub mod spread;
pub mod wrk;

/// The result of a step that can only be reported.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
