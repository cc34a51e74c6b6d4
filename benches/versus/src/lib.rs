//! Compares pixie with other servers: the parts that the programs `versus` and `build_cost` and the servers
//! share.
//!
//! Each server is a program in `src/bin`. This library does not depend on a web framework, so that no server
//! gets help that another lacks.
#![forbid(unsafe_code)]

pub mod args;
pub mod case;
pub mod certificate;
pub mod h2load;
pub mod idle;
pub mod peer;
pub mod probe;
pub mod report;
pub mod rounds;
pub mod server;
pub mod wrk;

pub use bench_kit::{Result, process, spread};
