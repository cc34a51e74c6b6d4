//! Measures the calls of `pixie-store` in memory, in a file, in Redis and from a worker, beside a bare client
//! of Redis and a round trip through a local socket, and prints Markdown tables.
//!
//! Everything runs in turns within a round, so that a temporary disturbance affects all of it.
#![forbid(unsafe_code)]

mod args;
mod report;
mod servers;
mod subjects;
mod worker;

use std::{env, process::ExitCode, thread};

use bench_kit::Result;

use crate::{
    args::{Args, USAGE},
    report::Report,
    servers::echo,
    subjects::{Bench, SUBJECTS, Turn},
};

fn main() -> ExitCode {
    if let Some(worker) = pixie_pool::worker() {
        worker.serve(0, worker::handler());
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [role, path] = arguments.as_slice()
        && role == echo::ROLE
    {
        return echo::play(path);
    }
    let Some(args) = Args::parse(arguments.into_iter())? else {
        println!("{USAGE}");
        return Ok(());
    };
    if cfg!(debug_assertions) {
        return Err("measure an optimised build: add --release to cargo run".into());
    }
    let processors = thread::available_parallelism()?;
    println!("{processors} processors, {} rounds of up to {} calls of each sort\n", args.rounds, args.calls);
    let mut bench = Bench::start()?;
    let mut measured: Vec<Vec<Turn>> = SUBJECTS.iter().map(|_| Vec::new()).collect();
    for round in 0..=args.rounds {
        let mut order: Vec<usize> = (0..SUBJECTS.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for index in order.into_iter().filter(|&index| SUBJECTS[index].name.contains(&args.only)) {
            let turn = bench.turn(&SUBJECTS[index], args.calls)?;
            // The first round connects and fills caches.
            if round > 0 {
                measured[index].push(turn);
            }
        }
    }
    print!("{}", Report { measured: &measured });
    Ok(())
}
