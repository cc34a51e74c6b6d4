//! Counts the requests that fail while a server is started anew under load.
//!
//! For each route, clients of HTTP/1.1 and HTTP/2, with and without TLS, send requests while the server gets
//! SIGHUP again and again. With TLS its certificate is replaced before each restart. Every response must be
//! whole and 200, and no connection may be refused or reset.

mod certificates;
mod load;
mod server;

use std::{env, process::ExitCode, thread, time::Duration};

use bench_kit::{Result, options};

use crate::{
    certificates::Certificates,
    load::{Load, Report, Target},
    server::Server,
};

const HELP: &str = "\
Usage: cargo run --release -- [options]

  --seconds N    how long each route is under load (default 20)
  --restarts N   restarts for each route (default 10)
";

/// The routes: inside the server, in a worker, and 256 KiB in pieces from a worker.
const ROUTES: [&str; 3] = ["/", "/pool", "/stream"];
/// Time of load before the first restart.
const LEAD: Duration = Duration::from_millis(500);

struct Options {
    seconds: u32,
    restarts: u32,
}

fn main() -> ExitCode {
    match bench() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failed) => {
            eprintln!("{failed} requests failed");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns the number of failed requests.
fn bench() -> Result<u64> {
    let mut options = Options { seconds: 20, restarts: 10 };
    let is_run = options::read(env::args().skip(1), |option, value| {
        match option {
            "--seconds" => options.seconds = options::number(option, value, 2.0, 3600.0)? as u32,
            "--restarts" => options.restarts = options::number(option, value, 0.0, 1000.0)? as u32,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    if !is_run {
        print!("{HELP}");
        return Ok(0);
    }
    let mut certificates = Certificates::new()?;
    let mut server = Server::start(certificates.paths())?;
    println!("| client | route | requests | restarts | a restart takes | new certificates | failed |");
    println!("|---|---|---|---|---|---|---|");
    let mut failed = 0;
    for scheme in ["http", "https"] {
        for load in [Load::Http1, Load::Http2] {
            for route in ROUTES {
                failed += measure(&mut server, &mut certificates, load, (scheme, route), &options)?;
            }
        }
    }
    Ok(failed)
}

/// Puts a route under load, and returns the number of failed requests.
fn measure(
    server: &mut Server,
    certificates: &mut Certificates,
    load: Load,
    (scheme, route): (&str, &str),
    options: &Options,
) -> Result<u64> {
    let address = if scheme == "https" { server.secure } else { server.address };
    let target = Target { url: format!("{scheme}://{address}{route}"), tls: certificates.client()? };
    let time = Duration::from_secs(options.seconds.into());
    let running = thread::spawn(move || load.run(&target, time));
    thread::sleep(LEAD);
    let (mut times, mut changes) = (Vec::new(), 0);
    for _ in 0..options.restarts {
        if scheme == "https" {
            certificates.change(server.secure)?;
            changes += 1;
        }
        times.push(server.restart()?);
        certificates.check(server.secure)?;
    }
    if running.is_finished() {
        return Err("the load ended before the last restart: use more `--seconds`".into());
    }
    let report = running.join().map_err(|_| "the thread of the load panicked")??;
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    let Report { requests, failed } = report;
    let (client, restarts) = (load.name(), times.len());
    println!("| {client} | {scheme} `{route}` | {requests} | {restarts} | {median:.0?} | {changes} | {failed} |");
    Ok(failed)
}
