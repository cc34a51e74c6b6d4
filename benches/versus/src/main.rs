//! Compares pixie with bare hyper, axum and actix-web, and prints a Markdown table.
//!
//! Builds the servers, starts them all, checks their responses and puts them under load in turn. Invariant:
//! no server runs longer than this program.
#![forbid(unsafe_code)]

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::Duration,
};

use versus::{
    Result,
    args::{Args, USAGE},
    case::{CASES, Case, PEERS, Peer, WITH_PIXIE},
    process,
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
    let wanted = PEERS.iter().filter(|peer| is_wanted(peer, args));
    let servers = wanted.map(|peer| Server::start(peer, &programs)).collect::<Result<Vec<_>>>()?;
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

fn is_wanted(peer: &Peer, args: &Args) -> bool {
    let is_built = WITH_PIXIE || peer.name != "pixie";
    let takes_part = |case: &Case| case.entries.iter().any(|(name, _)| *name == peer.name);
    let is_measured = CASES.iter().any(|case| args.wants_case(case) && takes_part(case));
    is_built && is_measured && args.wants_peer(peer)
}
