//! Sends all kinds of faults under full load, and prints their effect on other requests and what remained.
//!
//! Phases without and with faults alternate, so that a ratio compares neighboring minutes. The run fails if a
//! response was wrong, lost or refused, or if anything remained.
#![forbid(unsafe_code)]

mod args;
mod capacity;
mod fault;
mod load;
mod pace;
mod report;
mod server;
mod slow;
mod tally;

use std::{env, process::ExitCode, thread, time::Instant};

use bench_kit::Result;

use crate::{
    args::{Args, USAGE},
    capacity::Capacity,
    load::Phase,
    pace::Pace,
    report::Report,
    server::Server,
    tally::Tally,
};

fn main() -> ExitCode {
    let failures = match Args::parse(env::args().skip(1)) {
        Ok(Some(args)) => run(&args),
        Ok(None) => {
            println!("{USAGE}");
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    };
    let failures = failures.unwrap_or_else(|error| vec![error.to_string()]);
    failures.iter().for_each(|failure| eprintln!("error: {failure}"));
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the soak, prints its report, and returns the failed checks.
fn run(args: &Args) -> Result<Vec<String>> {
    if cfg!(debug_assertions) {
        return Err("measure an unoptimised build: add --release to cargo run".into());
    }
    let mut server = Server::start()?;
    let mut warm_up = Tally::default();
    let capacity = Capacity::measure(&server, args, &mut warm_up)?;
    let faults = capacity.faults(args.faults);
    let per_second = faults.0.min(faults.1);
    let (held, counts) = (server.settle(), server.counts()?);
    let (mut pairs, mut server_bytes_max) = (Vec::new(), 0);
    for pair in 1..=args.pairs() {
        eprintln!("pair {pair} of {}, {:.0} faults a second in its second phase", args.pairs(), per_second);
        let calm = phase(&server, args, 2 * pair, None);
        server_bytes_max = server_bytes_max.max(server.sample().server_bytes);
        let faulty = phase(&server, args, 2 * pair + 1, Some(&Pace::new(per_second)));
        server_bytes_max = server_bytes_max.max(server.sample().server_bytes);
        pairs.push((calm, faulty));
        server.check_alive()?;
    }
    let held = (held, server.settle());
    let counts = (counts, server.counts()?);
    let report = Report { capacity, faults, warm_up, pairs, held, server_bytes_max, counts };
    let processors = thread::available_parallelism()?;
    println!("{processors} processors shared with {} connections that check each answer", args.connections);
    println!("{} pairs of phases of {:.0} s, {}\n", args.pairs(), args.phase.as_secs_f64(), switches());
    print!("{report}");
    Ok(report.failures())
}

fn phase(server: &Server, args: &Args, number: u32, pace: Option<&Pace>) -> Tally {
    let until = Instant::now() + args.phase;
    Phase { address: server.address, number, connections: args.connections, until, pace }.run()
}

/// Returns the environment variables for pixie.
fn switches() -> String {
    let mut names: Vec<String> = env::vars()
        .filter(|(name, _)| name.starts_with("PIXIE_"))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    names.sort();
    if names.is_empty() { "pixie as it comes".into() } else { names.join(" ") }
}
