//! Compares pixie with bare hyper, axum, actix-web and nginx, and prints a Markdown table.
//!
//! Builds the servers, starts them all, checks their responses and puts them under load in turn. Invariant:
//! no server runs longer than this program.
#![forbid(unsafe_code)]

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    thread,
    time::Duration,
};

use versus::{
    Result,
    args::{Args, USAGE},
    case::{CASES, Case, PEERS, Peer, Protocol, WITH_PIXIE},
    certificate, idle, process,
    report::Report,
    rounds,
    server::Server,
    wrk,
};

/// Time limit for building all servers. Long enough for a slow machine with empty caches.
const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);

fn main() -> ExitCode {
    let done = match Args::parse(env::args().skip(1)) {
        Ok(Some(args)) => run(&args),
        Ok(None) => {
            println!("{USAGE}");
            Ok(())
        }
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    if cfg!(debug_assertions) {
        return Err("measure an unoptimised build: add --release to cargo run".into());
    }
    wrk::check_installed()?;
    let programs = build()?;
    let (_folder, files) = certificate::make()?;
    let peers: Vec<&Peer> = PEERS.iter().filter(|peer| is_available(peer) && args.wants_peer(peer)).collect();
    if args.wants_idle() {
        measure_idle(&peers, &programs, &files)?;
    }
    let mut servers = Vec::new();
    for protocol in [Protocol::Http1, Protocol::Http2, Protocol::Tls] {
        for peer in peers.iter().filter(|peer| is_measured(peer, protocol, args)) {
            servers.push(Server::start(peer, protocol, &programs, &files)?);
        }
    }
    if servers.is_empty() {
        return Ok(());
    }
    servers.iter().try_for_each(Server::check_extra_routes)?;
    let rows = rounds::measure(&servers, args)?;
    let Args { rounds, seconds, .. } = args;
    let processors = thread::available_parallelism()?;
    println!("{processors} processors shared with wrk, {rounds} rounds of {seconds} s, medians\n");
    print!("{}", Report { rows: &rows });
    Ok(())
}

/// Builds every server next to this program, with the same features, and returns the folder.
fn build() -> Result<PathBuf> {
    let program = env::current_exe()?;
    let programs = program.parent().ok_or("find the folder of this program: it has none")?;
    let target = programs.parent().ok_or("find the target folder: there is none")?;
    let mut command = process::cargo();
    command.args(["build", "--release", "--bins", "--manifest-path"]);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
    command.arg("--target-dir").arg(target);
    if !WITH_PIXIE {
        command.arg("--no-default-features");
    }
    process::run(&mut command, BUILD_LIMIT)?;
    Ok(programs.to_owned())
}

/// Measures one server after the other, and prints a table.
fn measure_idle(peers: &[&'static Peer], programs: &Path, files: &[PathBuf; 2]) -> Result<()> {
    println!("| server | memory of each of {} idle connections |\n|---|--:|", idle::CONNECTIONS);
    for peer in peers.iter().filter(|peer| peer.environment.is_empty()) {
        let bytes = idle::measure(&Server::start(peer, Protocol::Http1, programs, files)?)?;
        println!("| {} | {bytes:.0} bytes |", peer.name);
    }
    println!();
    Ok(())
}

/// Returns whether the server was built or is installed.
fn is_available(peer: &Peer) -> bool {
    match peer.name {
        "pixie" => WITH_PIXIE,
        "nginx" if Command::new("nginx").arg("-v").output().is_err() => {
            eprintln!("nginx is not installed, so its rows are left out");
            false
        }
        _ => true,
    }
}

fn is_measured(peer: &Peer, protocol: Protocol, args: &Args) -> bool {
    let takes_part = |case: &&Case| case.entries.iter().any(|(name, _)| *name == peer.name);
    CASES.iter().filter(takes_part).any(|case| case.protocol == protocol && args.wants_case(case))
}
