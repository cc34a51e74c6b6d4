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
mod raw;
mod report;
mod server;
mod slow;
mod tally;

use std::{env, process::ExitCode, thread, time::Instant};

use bench_kit::Result;

use crate::{
    args::{Args, USAGE},
    capacity::Capacity,
    fault::named,
    load::Phase,
    pace::Pace,
    raw::ForkLoop,
    report::{Report, Round},
    server::Server,
    tally::Tally,
};

fn main() -> ExitCode {
    if let (Some(raw::ROLE), Some(path)) = (env::args().nth(1).as_deref(), env::args().nth(2)) {
        let played = raw::play(&path);
        return if played.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
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
    let mut server = Server::start(args.start_method)?;
    let mut warm_up = Tally::default();
    let capacity = Capacity::measure(&server, args, &mut warm_up)?;
    let kinds = named(&args.fault);
    let faults = capacity.faults(args.faults, &kinds);
    let per_second = args.rate.unwrap_or(faults.0.min(faults.1));
    let raw =
        (0..args.connections).map(|number| ForkLoop::start(&server.folder, number)).collect::<Result<Vec<_>>>()?;
    let (held, counts) = (server.settle(), server.counts()?);
    let (mut rounds, mut server_bytes_max) = (Vec::new(), 0);
    for round in 1..=args.rounds() {
        eprintln!("round {round} of {}, {per_second:.0} faults a second in its second phase", args.rounds());
        let mut phase = |number, rate: Option<f64>, has_slow, raw| {
            let (address, until) = (server.address, Instant::now() + args.phase);
            let (connections, pace) = (args.connections, rate.map(Pace::new));
            let (pace, faults) = (pace.as_ref(), &*kinds);
            let tally = Phase { address, number, connections, until, pace, faults, has_slow, raw }.run();
            server_bytes_max = server_bytes_max.max(server.sample().server_bytes);
            tally
        };
        let calm = phase(3 * round, None, false, &[]);
        let faulty = phase(3 * round + 1, Some(per_second), args.fault.is_empty(), &[]);
        let forking = phase(3 * round + 2, Some(per_second), false, &raw);
        rounds.push(Round { calm, faulty, forking });
        server.check_alive()?;
    }
    let held = (held, server.settle());
    let counts = (counts, server.counts()?);
    let seconds = args.phase.as_secs_f64() * f64::from(args.rounds());
    let report = Report { capacity, faults, per_second, seconds, warm_up, rounds, held, server_bytes_max, counts };
    let processors = thread::available_parallelism()?;
    println!("{processors} processors shared with {} connections that check each answer", args.connections);
    println!("{} rounds of three phases of {:.0} s", args.rounds(), args.phase.as_secs_f64());
    println!("start method {}, {}\n", args.start_method, switches());
    print!("{report}");
    Ok(report.failures())
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
