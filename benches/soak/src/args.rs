//! The options of `soak`.

use std::time::Duration;

use bench_kit::{
    Result,
    options::{number, read},
};

use crate::fault::QUICK;

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
Mixes faults of every sort into full load, and prints what the other requests noticed and what was left behind.

Usage: soak [--minutes N] [--phase SECONDS] [--connections N] [--faults PERCENT] [--rate N] [--fault NAME]
            [--start-method exec|fork]

  --minutes N        how long it takes, phases without faults, with faults and with raw forks in turn (10)
  --phase SECONDS    how long each phase is (15)
  --connections N    connections that ask one request after the other, a third of them each route (15)
  --faults PERCENT   the share of requests that are faulty, if the machine can respawn for so many (5)
  --rate N           fast faults per second, instead of that share
  --fault NAME       only this fast fault, such as abort, and no slow faults (all)
  --start-method M   how the server starts its workers (exec)

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
    /// Fast faults per second, instead of the share.
    pub(crate) rate: Option<f64>,
    /// The only fast faults, without slow ones; all if it is empty.
    pub(crate) fault: String,
    /// How the server starts its workers.
    pub(crate) start_method: &'static str,
}

impl Args {
    /// Reads the options, or nothing when the user asked for help.
    pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let (whole, phase) = (Duration::from_secs(600), Duration::from_secs(15));
        let mut parsed =
            Self { whole, phase, connections: 15, faults: 0.05, rate: None, fault: "".into(), start_method: "exec" };
        let wants_run = read(args, |option, value| {
            match option {
                "--minutes" => parsed.whole = Duration::from_secs_f64(60.0 * number(option, value, 0.1, 1440.0)?),
                "--phase" => parsed.phase = Duration::from_secs_f64(number(option, value, 1.0, 600.0)?),
                "--connections" => parsed.connections = number(option, value, 3.0, 256.0)? as u32,
                "--faults" => parsed.faults = number(option, value, 0.01, 50.0)? / 100.0,
                "--rate" => parsed.rate = Some(number(option, value, 1.0, 1e6)?),
                "--fault" => parsed.fault = choice(option, value, &QUICK.each_ref().map(|fault| fault.name))?.into(),
                "--start-method" => parsed.start_method = choice(option, value, &["exec", "fork"])?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(wants_run.then_some(parsed))
    }

    /// Returns how many rounds of phases, without faults, with faults and with raw forks, fit: one at least.
    pub(crate) fn rounds(&self) -> u32 {
        ((self.whole.as_secs_f64() / self.phase.as_secs_f64() / 3.0).round() as u32).max(1)
    }
}

fn choice(option: &str, value: &str, choices: &[&'static str]) -> Result<&'static str> {
    let wrong = || format!("read {option}: {value} is not one of {}", choices.join(", "));
    Ok(choices.iter().find(|choice| **choice == value).ok_or_else(wrong)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Args {
        Args::parse(line.split_whitespace().map(str::to_owned)).unwrap().unwrap()
    }

    #[test]
    fn ten_minutes_hold_thirteen_rounds_of_phases() {
        assert_eq!(parse("").rounds(), 13);
        assert_eq!(parse("--minutes 2 --phase 10").rounds(), 4);
        assert_eq!(parse("--minutes 0.1 --phase 60").rounds(), 1);
        assert_eq!(parse("--faults 1").faults, 0.01);
        assert_eq!(parse("--fault abort --start-method fork").start_method, "fork");
        assert!(choice("--start-method", "spoon", &["exec", "fork"]).is_err());
    }
}
