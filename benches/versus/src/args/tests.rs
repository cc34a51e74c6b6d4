//! The options as a user writes them.

use super::{Args, USAGE};
use crate::case::{CASES, PEERS};

fn parse(line: &str) -> crate::Result<Option<Args>> {
    Args::parse(line.split_whitespace().map(str::to_owned))
}

fn chosen(line: &str) -> (Vec<&'static str>, Vec<&'static str>) {
    let args = parse(line).unwrap().unwrap();
    let cases = CASES.iter().filter(|case| args.wants_case(case)).map(|case| case.name);
    let peers = PEERS.iter().filter(|peer| args.wants_peer(peer)).map(|peer| peer.name);
    (cases.collect(), peers.collect())
}

#[test]
fn everything_is_measured_unless_told_otherwise() {
    let (cases, peers) = chosen("--rounds 2");
    assert_eq!((cases.len(), peers.len()), (CASES.len(), PEERS.len()));
}

#[test]
fn only_takes_cases_and_servers() {
    assert_eq!(chosen("--only json").0, ["json"]);
    assert_eq!(chosen("--only json").1.len(), PEERS.len());
    assert_eq!(chosen("--only axum --only hyper").1, ["hyper", "axum"]);
    assert_eq!(chosen("--only pool-1 --only axum"), (vec!["pool-1"], vec!["axum"]));
}

#[test]
fn rounds_and_seconds_are_read() {
    let args = parse("--rounds 7 --seconds 2").unwrap().unwrap();
    assert_eq!((args.rounds, args.seconds), (7, 2));
}

#[test]
fn a_wrong_option_is_refused() {
    let check = |line, expected: &str| {
        let error = parse(line).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check("--rounds", "a value is missing");
    check("--rounds 0", "not a number from 1 to 1000");
    check("--seconds soon", "not a number from 1 to 1000");
    check("--only caddy", "no case and no server caddy");
    check("--fast 1", "--fast is not one");
}

#[test]
fn help_names_every_case_and_server() {
    assert!(parse("--help").unwrap().is_none());
    for name in CASES.iter().map(|case| case.name).chain(PEERS.iter().map(|peer| peer.name)) {
        assert!(USAGE.contains(name), "{name}");
    }
}
