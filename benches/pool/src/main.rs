//! Compares a pool of workers with the operating system's primitives that it uses, and prints Markdown
//! tables.
//!
//! This program is the bench, its workers and its peers. Everything is measured twice: as the system
//! schedules it, and with all processes on one processor, because waking another processor costs more than
//! everything that is compared here.
#![forbid(unsafe_code)]

mod args;
mod measure;
mod pooled;
mod raw;
mod report;
mod shared;
mod web;

use std::{env, process::ExitCode, thread};

use bench_kit::Result;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::{
    args::{Args, USAGE},
    report::Report,
};

/// Bytes of a body.
pub(crate) const BODY_BYTES: usize = 16 * 1024 * 1024;

fn main() -> ExitCode {
    // An app detects by itself whether it runs as a worker.
    if !web::is_played()
        && let Some(worker) = pixie_pool::worker()
    {
        worker.serve(0, pooled::handler());
    }
    match play() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn play() -> Result<()> {
    match web::is_played() {
        true => web::play(),
        false if raw::play_role()? => Ok(()),
        false => run(),
    }
}

fn run() -> Result<()> {
    let Some(args) = Args::parse(env::args().skip(1))? else {
        println!("{USAGE}");
        return Ok(());
    };
    if cfg!(debug_assertions) {
        return Err("measure an unoptimised build: add --release to cargo run".into());
    }
    let processors = thread::available_parallelism()?;
    let Args { rounds, trips, ends, .. } = args;
    println!(
        "{processors} processors, {rounds} rounds of {trips} round trips and of {ends} starts, kills and deadlines"
    );
    println!("\n## As the system schedules it\n");
    print!("{}", Report { measured: &measure::all(&args)? });
    println!("\n## All on one processor\n");
    print!("{}", Report { measured: &on_one_processor(|| measure::all(&args))? });
    if shared::WHAT.contains(&args.only) {
        println!("\n## With {}\n", shared::WHAT);
        print!("{}", shared::table(&args)?);
    }
    Ok(())
}

/// Calls a function so that it, and all threads and processes that it starts, run on one processor.
fn on_one_processor<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let all = sched_getaffinity(None)?;
    let first =
        (0..CpuSet::MAX_CPU).find(|&processor| all.is_set(processor)).ok_or("find a processor: there is none")?;
    let mut one = CpuSet::new();
    one.set(first);
    sched_setaffinity(None, &one)?;
    let done = work();
    sched_setaffinity(None, &all)?;
    done
}
