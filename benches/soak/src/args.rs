//! The options of `soak`.

use std::time::Duration;

use bench_kit::{
    Result,
    options::{number, read},
};

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
Mixes faults of every sort into full load, and prints what the other requests noticed and what was left behind.

Usage: soak [--minutes N] [--phase SECONDS] [--connections N] [--faults PERCENT]

  --minutes N        how long it takes, phases without and with faults in turn (10)
  --phase SECONDS    how long each phase is (15)
  --connections N    connections that ask one request after the other, a third of them each route (15)
  --faults PERCENT   the share of requests that are faulty, if the machine can respawn for so many (5)

What the environment says of pixie (PIXIE_WORKERS, PIXIE_POOL_DEFAULT and others) reaches the server.";

/// The options, read.
#[derive(Debug, PartialEq)]
pub(crate) struct Args {
    /// How long all phases together take.
    pub(crate) whole: Duration,
    /// How long each phase takes.
    pub(crate) phase: Duration,
    /// Connections that ask one request after the other.
    pub(crate) connections: u32,
    /// The share of requests that are faulty, at most 1.
    pub(crate) faults: f64,
}

impl Args {
    /// Reads the options, or nothing when the user asked for help.
    pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut parsed =
            Self { whole: Duration::from_secs(600), phase: Duration::from_secs(15), connections: 15, faults: 0.05 };
        let wants_run = read(args, |option, value| {
            match option {
                "--minutes" => parsed.whole = Duration::from_secs_f64(60.0 * number(option, value, 0.1, 1440.0)?),
                "--phase" => parsed.phase = Duration::from_secs_f64(number(option, value, 1.0, 600.0)?),
                "--connections" => parsed.connections = number(option, value, 3.0, 256.0)? as u32,
                "--faults" => parsed.faults = number(option, value, 0.01, 50.0)? / 100.0,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(wants_run.then_some(parsed))
    }

    /// Returns how many pairs of phases, one without and one with faults, fit: one at least.
    pub(crate) fn pairs(&self) -> u32 {
        ((self.whole.as_secs_f64() / self.phase.as_secs_f64() / 2.0).round() as u32).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Args {
        Args::parse(line.split_whitespace().map(str::to_owned)).unwrap().unwrap()
    }

    #[test]
    fn ten_minutes_hold_twenty_pairs_of_phases() {
        assert_eq!(parse("").pairs(), 20);
        assert_eq!(parse("--minutes 2 --phase 10").pairs(), 6);
        assert_eq!(parse("--minutes 0.1 --phase 60").pairs(), 1);
        assert_eq!(parse("--faults 1").faults, 0.01);
    }
}
