//! The options of `faults`.

use bench_kit::{
    Result,
    options::{number, read},
};
use faults_bench::fault::FAULTS;

use crate::server::SERVERS;

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
Commits one fault after the other on one server after the other, and prints what the other requests noticed.

Usage: faults [--times N] [--only NAME]...

  --times N     how often each fault is committed, a second apart (5)
  --only NAME   only this server or this fault; may be repeated
                servers: pixie, axum, axum-blocking, actix, gunicorn, php-fpm
                faults: loop, segv, overflow, hoard, abort

Needs python3 with its module venv, for gunicorn from PyPI, and php-fpm: it is in the package `php-fpm` of Debian and Ubuntu.";

/// The options, read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Args {
    /// How often each fault is committed.
    pub(crate) times: u32,
    only: Vec<String>,
}

impl Args {
    /// Reads the options, or nothing when the user asked for help.
    pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut parsed = Self { times: 5, only: Vec::new() };
        let wants_run = read(args, |option, value| {
            match option {
                "--times" => parsed.times = number(option, value, 1.0, 20.0)? as u32,
                "--only" if is_server(value) || is_fault(value) => parsed.only.push(value.into()),
                "--only" => {
                    return Err(format!("read --only: there is no server and no fault {value}, see --help").into());
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(wants_run.then_some(parsed))
    }

    /// Returns whether a server is asked for: named, or no server is named at all.
    pub(crate) fn wants_server(&self, name: &str) -> bool {
        self.wants(name, is_server)
    }

    /// The same for a fault.
    pub(crate) fn wants_fault(&self, name: &str) -> bool {
        self.wants(name, is_fault)
    }

    fn wants(&self, name: &str, is_of_this_sort: impl Fn(&str) -> bool) -> bool {
        let mut named = self.only.iter().filter(|only| is_of_this_sort(only)).peekable();
        named.peek().is_none() || named.any(|only| only == name)
    }
}

fn is_server(name: &str) -> bool {
    SERVERS.iter().any(|server| server.name == name)
}

fn is_fault(name: &str) -> bool {
    FAULTS.iter().any(|fault| fault.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<Args>> {
        Args::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn only_takes_servers_and_faults() {
        let args = parse("--only axum --only loop --only pixie").unwrap().unwrap();
        let servers = SERVERS.iter().filter(|server| args.wants_server(server.name)).map(|server| server.name);
        let faults = FAULTS.iter().filter(|fault| args.wants_fault(fault.name)).map(|fault| fault.name);
        assert_eq!((servers.collect::<Vec<_>>(), faults.collect::<Vec<_>>()), (vec!["pixie", "axum"], vec!["loop"]));
        assert!(parse("--only nginx").unwrap_err().to_string().contains("no server and no fault nginx"));
    }

    #[test]
    fn help_names_every_server_and_fault() {
        assert!(parse("--help").unwrap().is_none());
        for name in SERVERS.iter().map(|server| server.name).chain(FAULTS.iter().map(|fault| fault.name)) {
            assert!(USAGE.contains(name), "{name}");
        }
    }
}
