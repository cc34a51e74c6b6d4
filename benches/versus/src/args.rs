//! The options of `versus`.

use crate::{
    Result,
    case::{CASES, Case, PEERS, Peer},
};

/// What `--help` prints.
pub const USAGE: &str = "\
Measures pixie side by side with bare hyper, axum and actix-web, and prints a Markdown table.

Usage: versus [--rounds N] [--seconds N] [--only NAME]...

  --rounds N    how often every server is measured (9)
  --seconds N   how long each measurement takes (2)
  --only NAME   measure only this case or this server; may be repeated
                cases: text, json, path, pool-64, pool-1
                servers: pixie, hyper, hyper-untimed, axum, actix

Needs the load generator wrk: it is in the package `wrk` of Debian, Ubuntu and Homebrew.";

/// The options, read.
#[derive(Debug, PartialEq)]
pub struct Args {
    /// How often every server is measured.
    pub rounds: u32,
    /// How many seconds each measurement takes.
    pub seconds: u32,
    only: Vec<String>,
}

impl Args {
    /// Reads the options. Returns `None` if the user asked for help.
    pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut parsed = Self { rounds: 9, seconds: 2, only: Vec::new() };
        while let Some(option) = args.next() {
            if option == "--help" || option == "-h" {
                return Ok(None);
            }
            let value = args.next().ok_or_else(|| format!("read {option}: a value is missing"))?;
            match option.as_str() {
                "--rounds" => parsed.rounds = number(&option, &value)?,
                "--seconds" => parsed.seconds = number(&option, &value)?,
                "--only" => parsed.only.push(name(value)?),
                _ => {
                    return Err(format!("read the options: {option} is not one, see --help").into());
                }
            }
        }
        Ok(Some(parsed))
    }

    /// Returns whether `case` is selected: it is named, or no case is named.
    pub fn wants_case(&self, case: &Case) -> bool {
        let is_case = |name: &String| CASES.iter().any(|case| case.name == name);
        self.wants(case.name, is_case)
    }

    /// Returns whether `peer` is selected: it is named, or no server is named.
    pub fn wants_peer(&self, peer: &Peer) -> bool {
        let is_peer = |name: &String| PEERS.iter().any(|peer| peer.name == name);
        self.wants(peer.name, is_peer)
    }

    fn wants(&self, name: &str, is_of_this_sort: impl Fn(&String) -> bool) -> bool {
        let mut named = self.only.iter().filter(|name| is_of_this_sort(name)).peekable();
        named.peek().is_none() || named.any(|only| only == name)
    }
}

fn number(option: &str, value: &str) -> Result<u32> {
    match value.parse() {
        // The upper limit prevents a typing error from causing a run of many hours.
        Ok(number @ 1..=1000) => Ok(number),
        _ => Err(format!("read {option}: {value} is not a number from 1 to 1000").into()),
    }
}

fn name(value: String) -> Result<String> {
    let mut known = CASES.iter().map(|case| case.name).chain(PEERS.iter().map(|peer| peer.name));
    if known.any(|name| name == value) {
        return Ok(value);
    }
    Err(format!("read --only: there is no case and no server {value}, see --help").into())
}

#[cfg(test)]
mod tests;
