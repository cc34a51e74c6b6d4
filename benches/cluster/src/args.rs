//! The options of `cluster`.

use std::time::Duration;

use bench_kit::{
    Result,
    options::{number, read},
};

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
Runs an app on several hosts behind HAProxy, lets hosts, links, versions and the store fail under load, and prints
what clients got. Each host is a network namespace. Needs root, HAProxy, redis-server and iproute2.

Usage: cluster [--seconds N] [--part PART] [--phase NAME] [--http 1|2] [--connections N]

  --seconds N        how long it takes, at least; a phase ends when its fault is over (300)
  --part PART        all, faults, throughput or costs (all: faults, then throughput)
  --phase NAME       only the phases with faults whose names contain this, such as kill or link
  --http 1|2         what the balancer speaks with the app (1, as `pixie deploy` without --http2)
  --connections N    connections of the load, each with a pause of 10 ms after each request (27)

The exit code is 1 if an answer was wrong, a POST ran twice or a GET or PUT was lost.";

/// The options, read.
#[derive(Debug, PartialEq)]
pub(crate) struct Args {
    /// How long all phases together take.
    pub(crate) whole: Duration,
    /// What is run.
    pub(crate) part: Part,
    /// A part of the names of the phases that are run.
    pub(crate) phase: String,
    /// Whether the balancer speaks HTTP/2 with the app.
    pub(crate) http2: bool,
    /// Connections of the load.
    pub(crate) connections: usize,
}

/// What is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Faults, then throughput.
    All,
    /// The phases with faults.
    Faults,
    /// Throughput with 1, 2 and 4 worker hosts.
    Throughput,
    /// What a request, a check and a connection cost.
    Costs,
}

impl Args {
    /// Reads the options, or nothing when the user asked for help.
    pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let whole = Duration::from_secs(300);
        let mut parsed = Self { whole, part: Part::All, phase: String::new(), http2: false, connections: 27 };
        let wants_run = read(args, |option, value| {
            match option {
                "--seconds" => parsed.whole = Duration::from_secs_f64(number(option, value, 10.0, 86_400.0)?),
                "--part" => parsed.part = part(value)?,
                "--phase" => (parsed.phase, parsed.part) = (value.to_owned(), Part::Faults),
                "--http" => parsed.http2 = number(option, value, 1.0, 2.0)? == 2.0,
                "--connections" => parsed.connections = number(option, value, 9.0, 512.0)? as usize,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(wants_run.then_some(parsed))
    }
}

fn part(value: &str) -> Result<Part> {
    Ok(match value {
        "all" => Part::All,
        "faults" => Part::Faults,
        "throughput" => Part::Throughput,
        "costs" => Part::Costs,
        _ => return Err(format!("read --part: {value} is not all, faults, throughput or costs").into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_wrong_ones_refused() {
        let parse = |line: &str| Args::parse(line.split_whitespace().map(str::to_owned));
        let whole = Duration::from_secs(60);
        let expected = Args { whole, part: Part::Costs, phase: String::new(), http2: false, connections: 27 };
        assert_eq!(parse("--seconds 60 --part costs").unwrap(), Some(expected));
        assert!(parse("--part some").is_err() && parse("--seconds 1").is_err());
    }
}
