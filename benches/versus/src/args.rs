//! The options of `versus`.

use crate::{
    Result,
    case::{CASES, Case, PEERS, Peer},
};

/// The case of the idle connections.
const IDLE: &str = "idle";

/// What `--help` prints.
pub const USAGE: &str = "\
Measures pixie side by side with bare hyper, axum, actix-web and nginx, and prints a Markdown table.

Usage: versus [--rounds N] [--seconds N] [--only NAME]...

  --rounds N    how often every server is measured (9)
  --seconds N   how long each measurement takes (2)
  --only NAME   measure only this case or this server; may be repeated
                cases: text, json, path, pool-64, pool-16, pool-4, pool-1, large, http2, tls, idle
                servers: pixie, hyper, hyper-untimed, axum, actix, nginx

Needs wrk, h2load and curl: they are in the packages `wrk`, `nghttp2-client` and `curl` of Debian and Ubuntu. Without
nginx, its rows are left out. The case idle needs `ulimit -n 20000`.";

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
        self.wants(case.name, is_case)
    }

    /// Returns whether idle connections are measured.
    pub fn wants_idle(&self) -> bool {
        self.wants(IDLE, is_case)
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

fn is_case(name: &String) -> bool {
    name == IDLE || CASES.iter().any(|case| case.name == name)
}

fn number(option: &str, value: &str) -> Result<u32> {
    match value.parse() {
        // The upper limit prevents a typing error from causing a run of many hours.
        Ok(number @ 1..=1000) => Ok(number),
        _ => Err(format!("read {option}: {value} is not a number from 1 to 1000").into()),
    }
}

fn name(value: String) -> Result<String> {
    let mut known = CASES.iter().map(|case| case.name).chain(PEERS.iter().map(|peer| peer.name)).chain([IDLE]);
    if known.any(|name| name == value) {
        return Ok(value);
    }
    Err(format!("read --only: there is no case and no server {value}, see --help").into())
}

#[cfg(test)]
mod tests;
