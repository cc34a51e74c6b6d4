//! One pool route for each way to die, beside routes that must not notice.
//!
//! `cargo run --release --example faults`, then ask for `/segv`, `/loop` or `/oom` while `/ok?id=7` keeps answering 7.
#![expect(unconditional_recursion, reason = "overflowing the stack is what one of the routes is for")]
use std::{hint::black_box, io::Write, process, thread::sleep, time::Duration};

use pixie_web::{App, Pools, Query, Result, Snapshot, State, Writer, get};
use rustix::process::{Signal, getpid, kill_process};
use serde::Deserialize;

#[derive(Deserialize)]
struct Ask {
    id: String,
}

/// Answers the request's own id, so that a mixed-up answer shows.
#[get("/ok")]
fn ok(ask: Query<Ask>) -> String {
    ask.id.clone()
}

#[get("/sync", sync)]
fn inline(ask: Query<Ask>) -> String {
    ask.id.clone()
}

#[get("/async")]
async fn on_runtime(ask: Query<Ask>) -> String {
    ask.id.clone()
}

/// 504: the deadline kills it.
#[get("/loop", deadline = "1s")]
fn endless() -> String {
    loop {
        black_box(0);
    }
}

/// 502: dies of a segmentation fault.
#[get("/segv")]
fn segv() -> String {
    // The first one only removes the handler by which Rust's runtime reports stack overflows.
    loop {
        let _ = kill_process(getpid(), Signal::SEGV);
    }
}

/// 502.
#[get("/abort")]
fn abort() -> String {
    process::abort()
}

/// 502: the system ends a program whose stack overflows.
#[get("/overflow")]
fn overflow() -> String {
    fn deeper(depth: u64) -> u64 {
        let ballast = black_box([depth; 64]);
        deeper(depth + 1) + ballast[0]
    }
    deeper(0).to_string()
}

/// 502: the worker's memory limit fails an allocation, which aborts it.
#[get("/oom")]
fn out_of_memory() -> String {
    let mut hoard = Vec::new();
    loop {
        hoard.push(black_box(vec![1u8; 1024 * 1024]));
    }
}

/// 502: leaves without a word.
#[get("/exit")]
fn exit() -> String {
    process::exit(0)
}

/// 500: the worker catches it and lives.
#[get("/panic")]
fn panics() -> String {
    panic!("a handler panicked")
}

/// 200: what a handler prints goes to the log, whatever it is.
#[get("/garbage")]
fn garbage() -> Result<String> {
    let rubbish: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    std::io::stdout().write_all(&rubbish)?;
    std::io::stderr().write_all(&rubbish)?;
    Ok("survived its own garbage".into())
}

#[get("/sleep/<ms:int>")]
fn slow(ms: u64) -> String {
    sleep(Duration::from_millis(ms));
    format!("slept {ms} ms")
}

/// 200, and then the stream is cut: its worker dies in the middle of it.
#[get("/broken", stream)]
fn broken(out: &mut Writer) -> Result<()> {
    out.send("a beginning without an end")?;
    process::abort()
}

/// 200: lines of 16 KiB, as many as were asked for, each with the request's own id.
#[get("/lines/<count:int>", stream)]
fn lines(count: u64, ask: Query<Ask>) -> impl Iterator<Item = String> {
    let id = ask.id.clone();
    (0..count).map(move |number| format!("{id} {number:>16000}\n"))
}

/// What has become of the workers so far, a name and a number in each line.
#[get("/counts", sync)]
fn counts(pools: State<Pools>) -> String {
    let line = |pool: &Snapshot| {
        let c = &pool.counts;
        let killed = c.kills_deadline + c.kills_cancel + c.kills_idle + c.kills_protocol + c.kills_stuck;
        let refused = c.refused_full + c.refused_late + c.refused_broken;
        format!(
            "jobs {}\ndied {}\nkilled {killed}\nrestarts {}\nboot_failures {}\nretries {}\nmoves {}\nrefused {refused}\n",
            c.jobs,
            c.deaths.values().sum::<u64>(),
            c.restarts,
            c.boot_failures,
            c.retries,
            c.moves,
        )
    };
    pools.snapshots().iter().map(line).collect()
}

fn main() -> Result<()> {
    App::collect().worker_memory(256 * 1024 * 1024).run()
}
