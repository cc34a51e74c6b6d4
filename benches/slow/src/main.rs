//! Measures what other clients notice of slow, silent and greedy clients, on pixie, axum and nginx in one
//! run.
#![forbid(unsafe_code)]

mod attack;
mod server;

use std::{
    env,
    net::SocketAddr,
    process::ExitCode,
    thread::{scope, sleep},
    time::{Duration, Instant},
};

use bench_kit::{
    Result,
    histogram::Histogram,
    http::Client,
    options::{number, read},
    process::{cargo, run},
    show,
};

use crate::{
    attack::{Attack, KINDS, Kind},
    server::{NAMES, Server},
};

const USAGE: &str = "\
Measures what other clients notice of slow clients.

Usage: slow [--attack NAME]... [--only SERVER]... [--seconds N] [--count N]

  --attack NAME    one of silent, byte, heads, bodies, readers, greedy (all)
  --only SERVER    one of pixie, axum, nginx (all)
  --seconds N      how long the others ask, without and with the slow clients (10)
  --count N        the number of slow clients (10000 silent ones or with a byte, 200 others)";

/// Limits the time of one request of the others. A longer one is a failure.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause between two requests of one of the others.
const PAUSE: Duration = Duration::from_millis(20);
/// The others that ask at the same time, each on a new connection per request.
const OTHERS: usize = 2;
/// Limits the build of the servers.
const BUILD_LIMIT: Duration = Duration::from_secs(3600);

#[derive(Default)]
struct Args {
    attacks: Vec<String>,
    servers: Vec<String>,
    seconds: f64,
    count: Option<usize>,
}

/// What the others got.
#[derive(Default)]
struct Seen {
    latencies: Histogram,
    failures: usize,
}

fn main() -> ExitCode {
    match args().and_then(|args| args.map_or_else(|| Ok(println!("{USAGE}")), |args| measure(&args))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("slow: cannot {error}");
            ExitCode::FAILURE
        }
    }
}

fn args() -> Result<Option<Args>> {
    let mut args = Args { seconds: 10.0, ..Args::default() };
    let wants_run = read(env::args().skip(1), |option, value| {
        match option {
            "--attack" if KINDS.iter().any(|kind| kind.name == value) => args.attacks.push(value.to_owned()),
            "--only" if NAMES.contains(&value) => args.servers.push(value.to_owned()),
            "--seconds" => args.seconds = number(option, value, 1.0, 600.0)?,
            "--count" => args.count = Some(number(option, value, 1.0, 60_000.0)? as usize),
            "--attack" | "--only" => return Err(format!("read {option}: {value} is unknown, see --help").into()),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(wants_run.then_some(args))
}

fn measure(args: &Args) -> Result<()> {
    pixie_server::raise_open_files_limit();
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    run(cargo().args(["build", "--release", "--bins", "--manifest-path", manifest]), BUILD_LIMIT)?;
    let is_wanted = |list: &[String], name| list.is_empty() || list.iter().any(|wanted| wanted == name);
    let time = Duration::from_secs_f64(args.seconds);
    println!(
        "attack   server  quiet p50 / p99          attacked p50 / p99       p99 ratio  failures  slow open  memory"
    );
    for kind in KINDS.iter().filter(|kind| is_wanted(&args.attacks, kind.name)) {
        let count = args.count.unwrap_or(kind.count);
        println!("{count} {}; the others ask for {}", kind.about, kind.target);
        for name in NAMES.into_iter().filter(|name| is_wanted(&args.servers, name)) {
            row(name, kind, count, time)?;
        }
    }
    Ok(())
}

fn row(name: &str, kind: &Kind, count: usize, time: Duration) -> Result<()> {
    let server = Server::start(name)?;
    let quiet = observe(server.address, kind.target, time);
    let before = server.memory();
    let attack = Attack::start(kind, count, server.address).map_err(|error| format!("start the attack: {error}"))?;
    let attacked = observe(server.address, kind.target, time);
    let grown = server.memory().zip(before).map_or("?".to_owned(), |(now, before)| {
        format!("{:.1} KiB each", now.saturating_sub(before) as f64 / 1024.0 / attack.open().max(1) as f64)
    });
    let p99 = |seen: &Seen| seen.latencies.quantile(0.99).map_or(f64::NAN, |time| time.as_secs_f64());
    println!(
        "{:<8} {name:<7} {:<24} {:<24} {:>9.2}  {:>8}  {:>9}  {grown}",
        kind.name,
        quiet.latencies(),
        attacked.latencies(),
        p99(&attacked) / p99(&quiet),
        format!("{}/{}", attacked.failures, attacked.failures + attacked.latencies.count() as usize),
        attack.open(),
    );
    // Before the slow clients, so that their ports are free at once.
    drop(server);
    Ok(())
}

/// Asks for this long, and returns what was answered.
fn observe(address: SocketAddr, target: &str, time: Duration) -> Seen {
    let end = Instant::now() + time;
    let ask = || {
        let mut seen = Seen::default();
        while Instant::now() < end {
            let start = Instant::now();
            match Client::new(address, PATIENCE).get(target) {
                Ok(answer) if answer.status == 200 => seen.latencies.add(start.elapsed()),
                _ => seen.failures += 1,
            }
            sleep(PAUSE);
        }
        seen
    };
    scope(|scope| {
        let others: Vec<_> = (0..OTHERS).map(|_| scope.spawn(ask)).collect();
        others.into_iter().filter_map(|other| other.join().ok()).fold(Seen::default(), |mut all, seen| {
            all.latencies.merge(&seen.latencies);
            all.failures += seen.failures;
            all
        })
    })
}

impl Seen {
    fn latencies(&self) -> String {
        let time = |share| self.latencies.quantile(share).map_or("-".to_owned(), show::time);
        format!("{} / {}", time(0.5), time(0.99))
    }
}
