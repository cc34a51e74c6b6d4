//! Measures every server in turn, case by case, in rounds.
//!
//! Servers are measured in turn, and every second round runs in reverse order, so that a temporary
//! disturbance affects all servers.

use crate::{
    Result,
    args::Args,
    case::{CASES, Case, Protocol},
    h2load,
    server::Server,
    wrk::{self, Sample},
};

/// Time under load before the first measurement of a server, in seconds.
const WARM_UP_SECONDS: u32 = 1;

/// All measurements of one server in one case.
#[derive(Debug)]
pub struct Row {
    /// The case.
    pub case: &'static Case,
    /// The server's name.
    pub peer: &'static str,
    /// The title of the server in the report.
    pub label: &'static str,
    /// One sample a round, in the order of the rounds.
    pub samples: Vec<Sample>,
}

/// Checks the answers of all `servers`, then measures them in turn.
pub fn measure(servers: &[Server], args: &Args) -> Result<Vec<Row>> {
    let mut runs = runs(servers, args);
    for (server, row) in &runs {
        server.check(row.case)?;
    }
    for (server, row) in &runs {
        load(server, row.case, WARM_UP_SECONDS)?;
    }
    let last = runs.len().saturating_sub(1);
    for round in 1..=args.rounds {
        for step in 0..runs.len() {
            let (server, row) = &mut runs[if round % 2 == 1 { step } else { last - step }];
            let sample = load(server, row.case, args.seconds)?;
            eprintln!("round {round}: {}, {}: {:.0} requests/s", row.case.name, row.label, sample.requests_per_second);
            row.samples.push(sample);
        }
    }
    Ok(runs.into_iter().map(|(_, row)| row).collect())
}

fn runs<'a>(servers: &'a [Server], args: &Args) -> Vec<(&'a Server, Row)> {
    let mut runs = Vec::new();
    for case in CASES.iter().filter(|case| args.wants_case(case)) {
        for &(peer, label) in case.entries {
            if let Some(server) =
                servers.iter().find(|server| server.peer.name == peer && server.protocol == case.protocol)
            {
                runs.push((server, Row { case, peer, label, samples: Vec::new() }));
            }
        }
    }
    runs
}

fn load(server: &Server, case: &Case, seconds: u32) -> Result<Sample> {
    let run = if case.protocol == Protocol::Http2 { h2load::run } else { wrk::run };
    let sample = run(&server.url(case.path), case.connections, seconds);
    sample.map_err(|error| format!("measure {} of {}: {error}", case.name, server.peer.name).into())
}
