//! Runs the load generator `h2load` for HTTP/2 and reads its output.
//!
//! A run with a single failed request is an error.

use std::{process::Command, time::Duration};

use crate::{
    Result, process,
    wrk::{SLACK, Sample, line_after},
};

/// The streams of each connection.
const STREAMS: u32 = 100;

/// Puts `url` under load for `seconds` and returns what was measured.
pub fn run(url: &str, connections: u32, seconds: u32) -> Result<Sample> {
    let mut command = Command::new("h2load");
    command.arg("--threads=1").arg(format!("--max-concurrent-streams={STREAMS}"));
    command.arg(format!("--clients={connections}")).arg(format!("--duration={seconds}")).arg(url);
    let output = process::run(&mut command, Duration::from_secs(seconds.into()) + SLACK);
    parse(&output.map_err(|error| format!("{error}; h2load is in the package `nghttp2-client` of Debian"))?)
}

/// Reads lines such as `finished in 2.01s, 1034.13 req/s, 59.94KB/s` and
/// `requests: 20 total, 20 started, 20 done, 20 succeeded, 0 failed, 0 errored, 0 timeout`.
fn parse(output: &str) -> Result<Sample> {
    let missing = || format!("read the output of h2load: a number is missing in:\n{output}");
    let requests = line_after(output, "requests:").ok_or_else(missing)?;
    let statuses = line_after(output, "status codes:").ok_or_else(missing)?;
    if !requests.ends_with(" 0 failed, 0 errored, 0 timeout") || !statuses.ends_with("2xx, 0 3xx, 0 4xx, 0 5xx") {
        return Err(format!("load the server: requests failed: {requests}; {statuses}").into());
    }
    let rate = line_after(output, "finished in").and_then(|line| line.split(", ").nth(1)?.strip_suffix(" req/s"));
    let requests_per_second: f64 = rate.ok_or_else(missing)?.parse()?;
    if requests_per_second <= 0.0 {
        return Err("load the server: it answered no request".into());
    }
    Ok(Sample { requests_per_second, p50_us: None, p99_us: None })
}

#[cfg(test)]
mod tests {
    use super::parse;

    const CLEAN: &str = "\
finished in 2.01s, 1034.50 req/s, 59.94KB/s
requests: 2079 total, 2479 started, 2079 done, 2079 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 2079 2xx, 0 3xx, 0 4xx, 0 5xx
";

    #[test]
    fn a_failed_request_is_an_error() {
        assert_eq!(parse(CLEAN).unwrap().requests_per_second, 1034.5);
        for (text, failed) in [("0 failed", "1 failed"), ("0 5xx", "1 5xx"), ("1034.50", "0.00"), ("requests", "")] {
            assert!(parse(&CLEAN.replace(text, failed)).is_err(), "{failed}");
        }
    }
}
