//! Measurements in, Markdown out.

use super::Report;
use crate::{case::CASES, rounds::Row, wrk::Sample};

fn row(case: &str, peer: &str, rates: &[f64]) -> Row {
    let case = CASES.iter().find(|known| known.name == case).unwrap();
    let (peer, label) = *case.entries.iter().find(|(name, _)| *name == peer).unwrap();
    let sample = |&rate| Sample { requests_per_second: rate, p50_us: Some(409.4), p99_us: Some(2380.0) };
    Row { case, peer, label, samples: rates.iter().map(sample).collect() }
}

fn report(rows: &[Row]) -> String {
    Report { rows }.to_string()
}

#[test]
fn a_row_shows_medians_and_the_ratios_to_both_baselines() {
    let rows = [
        row("text", "pixie", &[98.0, 99.0, 100.0]),
        row("text", "hyper", &[100.0, 100.0, 100.0]),
        row("text", "axum", &[90.0, 90.0, 90.0]),
    ];
    let expected = "| sync text | 64 | pixie | 99 | 409 µs | 2.38 ms | 0.99 | 1.10 |";
    assert_eq!(report(&rows).lines().nth(2), Some(expected));
}

#[test]
fn a_ratio_compares_within_each_round() {
    // The machine was ten times slower in the second round; pixie was as fast as axum in each.
    let rows = [row("pool-1", "pixie", &[100.0, 10.0]), row("pool-1", "axum", &[100.0, 10.0])];
    assert!(report(&rows).contains("× axum: 1.000 (rounds from 1.000 to 1.000)"));
}

#[test]
fn every_target_is_called_met_missed_or_not_measured() {
    let rows = [
        row("text", "pixie", &[97.0]),
        row("text", "hyper", &[100.0]),
        row("text", "axum", &[96.0]),
        row("pool-64", "pixie", &[1.0]),
    ];
    let report = report(&rows);
    let verdicts: Vec<&str> = report.lines().filter(|line| line.starts_with("- ")).collect();
    let starts = [
        "- met: sync text (text), pixie at least 0.97 × hyper: 0.970",
        "- missed: sync text (text), pixie at least 1.05 × axum: 1.010",
        "- not measured: pool text (pool-64), pixie at least 1.00 × axum",
        "- not measured: pool text (pool-16), pixie at least 1.00 × axum",
        "- not measured: pool text (pool-4), pixie at least 1.00 × axum",
        "- not measured: pool text (pool-1), pixie at least 1.00 × axum",
    ];
    assert_eq!(verdicts.len(), starts.len());
    for (verdict, start) in verdicts.iter().zip(starts) {
        assert!(verdict.starts_with(start), "{verdict}");
    }
}
