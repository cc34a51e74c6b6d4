//! Reads real output of `wrk`: a run without errors, a run with 404 responses, a server that exited.

use super::{Sample, microseconds, parse};

#[test]
fn a_clean_run_is_read() {
    let sample = parse(include_str!("inputs/clean.txt")).unwrap();
    let expected = Sample { requests_per_second: 99132.43, p50_us: Some(409.0), p99_us: Some(2380.0) };
    assert_eq!(sample, expected);
}

#[test]
fn a_run_with_a_failed_request_is_an_error() {
    let check = |output, expected: &str| {
        let error = parse(output).unwrap_err().to_string();
        assert!(error.ends_with(expected), "{error}");
    };
    check(include_str!("inputs/not_found.txt"), "requests failed: 68331");
    check(include_str!("inputs/socket_errors.txt"), "connect 0, read 4, write 19052, timeout 0");
}

#[test]
fn a_run_without_an_answer_is_an_error() {
    let output = include_str!("inputs/clean.txt").replace("99132.43", "0.00");
    assert!(parse(&output).is_err());
    assert!(parse("").is_err());
}

#[test]
fn every_unit_of_time_is_understood() {
    let check = |text, expected| assert_eq!(microseconds(text), expected, "{text}");
    check("409.00us", Some(409.0));
    check("2.5ms", Some(2500.0));
    check("1.5s", Some(1_500_000.0));
    check("2m", Some(120_000_000.0));
    check("1h", Some(3_600_000_000.0));
    check("12", None);
    check("fast", None);
}
