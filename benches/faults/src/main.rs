//! Commits one fault after the other on one server after the other, and prints the effect on other requests.
//!
//! Each case starts a new server. A server that has exited is not restarted: a service manager would do that
//! later.
#![forbid(unsafe_code)]

mod args;
mod fastcgi;
mod observe;
mod report;
mod server;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{self, ExitCode},
    thread,
    time::Duration,
};

use bench_kit::process::{cargo, run};
use faults_bench::{
    Result,
    fault::FAULTS,
    peer::{DEADLINE, MEMORY_KIB, WORKERS},
};

use crate::{
    args::{Args, USAGE},
    observe::observe,
    report::Report,
    server::{SERVERS, Server},
};

/// Time limit for building all servers. Long enough for a slow machine with empty caches.
const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);

fn main() -> ExitCode {
    let done = match Args::parse(env::args().skip(1)) {
        Ok(Some(args)) => in_folder(|folder| measure(&args, folder)),
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

fn measure(args: &Args, folder: &Path) -> Result<()> {
    let programs = build()?;
    let mut cases = Vec::new();
    for server in SERVERS.iter().filter(|server| args.wants_server(server.name)) {
        for fault in FAULTS.iter().filter(|fault| args.wants_fault(fault.name)) {
            eprintln!("{}: a handler {}", server.name, fault.title);
            let own = folder.join(format!("{}-{}", server.name, fault.name));
            fs::create_dir_all(&own)?;
            let running = Server::start(server, &programs, &own)?;
            cases.push((server, fault, observe(&running, fault.name, args.times)));
        }
    }
    let processors = thread::available_parallelism()?;
    println!("{processors} processors, each fault {} times, {WORKERS} workers or threads", args.times);
    println!("deadline {} s, memory of each process {} MiB\n", DEADLINE.as_secs(), MEMORY_KIB / 1024);
    print!("{}", Report { cases: &cases });
    Ok(())
}

/// Builds every server next to this program and returns the folder.
fn build() -> Result<PathBuf> {
    let program = env::current_exe()?;
    let programs = program.parent().ok_or("find the folder of this program: it has none")?;
    let target = programs.parent().ok_or("find the target folder: there is none")?;
    let mut command = cargo();
    command.args(["build", "--release", "--bins", "--manifest-path"]);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
    run(command.arg("--target-dir").arg(target), BUILD_LIMIT)?;
    Ok(target.join("release"))
}

/// Calls a function with a temporary folder.
fn in_folder(work: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let folder = env::temp_dir().join(format!("pixie-faults-{}", process::id()));
    fs::create_dir_all(&folder)?;
    let done = work(&folder);
    fs::remove_dir_all(&folder)?;
    done
}
