//! Runs the load generator `wrk` and reads its output.
//!
//! A run with a single failed request is an error.

use std::{process::Command, time::Duration};

use crate::{Result, process};

/// What one run of `wrk` measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Requests answered in a second.
    pub requests_per_second: f64,
    /// The latency that half of the requests stay below, in microseconds. `h2load` does not tell it.
    pub p50_us: Option<f64>,
    /// The latency that 99 of 100 requests stay below, in microseconds.
    pub p99_us: Option<f64>,
}

/// How much longer than requested a run may take: connecting, and waiting for the last responses.
pub(crate) const SLACK: Duration = Duration::from_secs(10);

/// Checks that `wrk` is installed.
pub fn check_installed() -> Result<()> {
    // `wrk -v` prints its version and exits with 1, so only a failure to start counts.
    match Command::new("wrk").arg("-v").output() {
        Ok(_) => Ok(()),
        Err(error) => {
            Err(format!("start wrk: {error}; it is in the package `wrk` of Debian, Ubuntu and Homebrew").into())
        }
    }
}

/// Puts `url` under load for `seconds` and returns what was measured.
pub fn run(url: &str, connections: u32, seconds: u32) -> Result<Sample> {
    let mut command = Command::new("wrk");
    command.args(["--threads=1", "--latency"]);
    command.arg(format!("--connections={connections}")).arg(format!("--duration={seconds}s")).arg(url);
    let output = process::run(&mut command, Duration::from_secs(seconds.into()) + SLACK)?;
    parse(&output)
}

fn parse(output: &str) -> Result<Sample> {
    // Both lines are printed only if there are errors.
    let errors = ["Socket errors:", "Non-2xx or 3xx responses:"];
    if let Some(line) = errors.iter().find_map(|start| line_after(output, start)) {
        return Err(format!("load the server: requests failed: {line}").into());
    }
    let missing = || format!("read the output of wrk: a number is missing in:\n{output}");
    let requests_per_second: f64 = line_after(output, "Requests/sec:").ok_or_else(missing)?.parse()?;
    if requests_per_second <= 0.0 {
        return Err("load the server: it answered no request".into());
    }
    let percentile = |start| line_after(output, start).and_then(microseconds).ok_or_else(missing);
    Ok(Sample { requests_per_second, p50_us: Some(percentile("50%")?), p99_us: Some(percentile("99%")?) })
}

pub(crate) fn line_after<'a>(output: &'a str, start: &str) -> Option<&'a str> {
    output.lines().find_map(|line| line.trim().strip_prefix(start)).map(str::trim)
}

fn microseconds(text: &str) -> Option<f64> {
    let units = [("us", 1.0), ("ms", 1e3), ("s", 1e6), ("m", 60e6), ("h", 3600e6)];
    let (number, factor) = units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))?;
    Some(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests;
