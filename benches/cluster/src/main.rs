//! Runs an app on several hosts behind HAProxy, lets hosts, links, versions and the store fail under load,
//! and prints what clients got.
//!
//! Each host is a network namespace. The run fails if an answer was wrong, a POST ran twice, or a GET or PUT
//! was lost.
#![forbid(unsafe_code)]

mod args;
mod balancer;
mod cluster;
mod costs;
mod interrupt;
mod link;
mod load;
mod machine;
#[path = "../../../tests/programs/cluster/namespaces.rs"]
mod namespaces;
mod phase;
mod report;
mod tally;
mod topic;
mod visitor;

use std::{
    env,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use bench_kit::{Result, http::Client};

use crate::{
    args::{Args, Part, USAGE},
    cluster::Cluster,
    namespaces::Network,
    phase::{Outcome, PHASES},
    report::{Report, Row},
};

/// The share of the time that is for the throughput.
const THROUGHPUT_SHARE: f64 = 0.15;
/// Measurements of costs that take time.
const COSTS: f64 = 8.0;
/// Worker hosts while hosts fail.
const WORKERS: usize = 2;
/// Connections for the throughput: more than all hosts have slots.
const CROWD: usize = 48;

fn main() -> ExitCode {
    let good = match Args::parse(env::args().skip(1)) {
        Ok(Some(args)) => run(&args),
        Ok(None) => {
            println!("{USAGE}");
            Ok(true)
        }
        Err(error) => Err(error),
    };
    match good {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the bench, prints its report, and returns whether all promises were kept.
fn run(args: &Args) -> Result<bool> {
    if cfg!(debug_assertions) {
        return Err("measure an unoptimised build: add --release to cargo run".into());
    }
    if let Some(obstacle) = Network::obstacle() {
        return Err(format!("cannot make hosts: {obstacle}").into());
    }
    interrupt::watch()?;
    let mut cluster = Cluster::start(WORKERS, args.http2)?;
    let mut report = Report::default();
    let is_part = |part| args.part == part || args.part == Part::All;
    if is_part(Part::Faults) {
        faults(&mut cluster, args, &mut report)?;
    }
    if is_part(Part::Throughput) {
        throughput(&mut cluster, args, &mut report)?;
    }
    if args.part == Part::Costs {
        costs::measure(&mut cluster, args.whole.div_f64(COSTS))?;
        return Ok(true);
    }
    drop(cluster);
    let processors = thread::available_parallelism()?;
    println!("{processors} processors shared by all hosts and the clients, so handlers wait instead of computing");
    println!("HTTP/{} between the balancer and the app\n", if args.http2 { "2" } else { "1.1" });
    println!("{report}");
    Ok(report.is_good())
}

fn faults(cluster: &mut Cluster, args: &Args, report: &mut Report) -> Result<()> {
    let phases: Vec<_> = PHASES.iter().filter(|phase| phase.name.contains(&args.phase)).collect();
    let time = args.whole.mul_f64((1.0 - THROUGHPUT_SHARE) / phases.len().max(1) as f64);
    for phase in phases {
        eprintln!("{}", phase.name);
        let mut outcome = Outcome::default();
        let mut tally = load::run(cluster, args.connections, phase.excuses, |cluster| {
            outcome = (phase.fault)(cluster, Instant::now() + time)?;
            Ok(())
        })?;
        tally.merge(outcome.tally);
        report.rows.push(Row { name: phase.name, note: outcome.note, tally });
        cluster.wait_until_used()?;
    }
    check_posts(cluster, report)
}

/// Asks how often the POSTs without an answer ran, and whether the handlers saw one twice.
fn check_posts(cluster: &mut Cluster, report: &mut Report) -> Result<()> {
    let address = cluster.address();
    let ids: Vec<&String> = report.rows.iter().flat_map(|row| &row.tally.unknown_posts).collect();
    let ask = || -> Result<_> {
        let mut client = Client::new(address, load::PATIENCE);
        let mut number = |target: &str| -> Result<u64> {
            let answer = client.get(target)?;
            Ok(String::from_utf8_lossy(&answer.body).parse().map_err(|_| format!("{target}: {}", answer.status))?)
        };
        let (mut ran, mut not, mut doubled) = (0, 0, 0);
        for id in ids {
            match number(&format!("/runs/{id}"))? {
                0 => not += 1,
                1 => ran += 1,
                _ => doubled += 1,
            }
        }
        Ok(((ran, not), doubled + number("/doubled")?))
    };
    (report.unknown_posts, report.doubled) = cluster.client.run(ask)??;
    let again = || balancer::counter("haproxy_backend_retry_warnings_total");
    report.retries = cluster.machine("balancer").host.run(again)?;
    Ok(())
}

fn throughput(cluster: &mut Cluster, args: &Args, report: &mut Report) -> Result<()> {
    let counts = [1, 2, 4];
    let time = args.whole.mul_f64(THROUGHPUT_SHARE / counts.len() as f64).max(Duration::from_secs(3));
    for workers in counts {
        eprintln!("throughput with {workers} worker hosts");
        cluster.set_workers(workers)?;
        let rate = load::throughput(&cluster.client, cluster.address(), CROWD, time)?;
        report.throughput.push((workers, rate));
        interrupt::check()?;
    }
    Ok(())
}
