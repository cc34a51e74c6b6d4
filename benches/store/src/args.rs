//! The options of `store-bench`.

use bench_kit::{
    Result,
    options::{number, read},
};

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
Measures a store of pixie in memory, in a file and in Redis, and prints Markdown tables. Starts redis-server.

Usage: store-bench [--rounds N] [--calls N] [--only TEXT]

  --rounds N   how often everything is measured, in turn (21)
  --calls N    calls in each round, of each sort; a file gets a hundredth (2000)
  --only TEXT  only what contains this text in its name";

/// The options, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Args {
    /// How often everything is measured.
    pub(crate) rounds: u32,
    /// Calls in each round.
    pub(crate) calls: u32,
    /// Part of the names of what is measured.
    pub(crate) only: String,
}

impl Args {
    /// Reads the options, or nothing when the user asked for help.
    pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut parsed = Self { rounds: 21, calls: 2000, only: String::new() };
        let wants_run = read(args, |option, value| {
            match option {
                "--rounds" => parsed.rounds = number(option, value, 1.0, 1000.0)? as u32,
                "--calls" => parsed.calls = number(option, value, 100.0, 1e6)? as u32,
                "--only" => parsed.only = value.into(),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(wants_run.then_some(parsed))
    }
}
