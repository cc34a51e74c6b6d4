//! The options of `pool-bench`.

use bench_kit::{
    Result,
    options::{number, read},
};

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
Measures a pool of workers beside the raw primitives that it stands on, and prints Markdown tables.

Usage: pool-bench [--rounds N] [--trips N] [--ends N] [--only TEXT]

  --rounds N   how often everything is measured, raw and pool in turn (11)
  --trips N    round trips in each round, of each sort (2000)
  --ends N     starts, kills and deadlines in each round, of each sort (10)
  --only TEXT  only the measurements whose names contain this text

Everything is measured twice: as the system schedules it, and with all processes on one processor.";

/// The options, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Args {
    /// How often everything is measured.
    pub(crate) rounds: u32,
    /// Round trips in each round.
    pub(crate) trips: u32,
    /// Starts, kills and deadlines in each round.
    pub(crate) ends: u32,
    /// Part of the names of the measurements.
    pub(crate) only: String,
}

impl Args {
    /// Reads the options, or nothing when the user asked for help.
    pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut parsed = Self { rounds: 11, trips: 2000, ends: 10, only: String::new() };
        let wants_run = read(args, |option, value| {
            match option {
                "--rounds" => parsed.rounds = number(option, value, 1.0, 1000.0)? as u32,
                "--trips" => parsed.trips = number(option, value, 10.0, 1e6)? as u32,
                "--ends" => parsed.ends = number(option, value, 1.0, 1000.0)? as u32,
                "--only" => parsed.only = value.into(),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(wants_run.then_some(parsed))
    }
}
