//! What the machine can take: requests without faults, and workers that it can respawn, in a second.

use std::{
    thread,
    time::{Duration, Instant},
};

use bench_kit::{Result, http::Client};

use crate::{
    args::Args,
    fault::{Expected, Fault, mean_deaths},
    load::{PATIENCE, Phase, quick},
    server::Server,
    tally::Tally,
};

/// How long each of the two measurements takes.
const TIME: Duration = Duration::from_secs(3);
/// Connections that crash workers: more than there are workers, so that there is always one to replace.
const CRASHERS: usize = 4;
/// The share of what the machine can respawn that the soak asks of it: the other half is for the load itself.
const RESPAWN_SHARE: f64 = 0.5;

/// What the machine can take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capacity {
    /// Requests in a second, without faults.
    pub(crate) requests: f64,
    /// Workers that died and were replaced in a second, without other load.
    pub(crate) respawns: f64,
}

impl Capacity {
    /// Measures both; whatever goes wrong counts.
    pub(crate) fn measure(server: &Server, args: &Args, tally: &mut Tally) -> Result<Self> {
        let until = Instant::now() + TIME;
        let warm_up =
            Phase { address: server.address, number: 0, connections: args.connections, until, pace: None }.run();
        let requests = warm_up.requests as f64 / TIME.as_secs_f64();
        tally.merge(warm_up);
        let (before, start) = (server.counts()?, Instant::now());
        tally.merge(crash(server));
        let died = server.counts()?.died - before.died;
        Ok(Capacity { requests, respawns: died as f64 / start.elapsed().as_secs_f64() })
    }

    /// Returns how many quick faults a second make the wanted share of requests, and how many the machine can respawn for.
    pub(crate) fn faults(&self, share: f64) -> (f64, f64) {
        (self.requests * share, self.respawns * RESPAWN_SHARE / mean_deaths())
    }
}

/// Crashes one worker after the other; a healthy request in between lets each prove itself first.
fn crash(server: &Server) -> Tally {
    let until = Instant::now() + TIME;
    let abort = Fault { name: "abort", expected: Expected::Status(502), deaths: 2 };
    let crasher = |number: usize| {
        let (mut client, mut tally) = (Client::new(server.address, PATIENCE), Tally::default());
        for round in 0.. {
            if Instant::now() >= until {
                break;
            }
            let id = format!("capacity-{number}-{round}");
            let target = format!("/ok?id={id}");
            let answer = client.get(&target);
            tally.judge(&target, 200, Some(id.as_bytes()), answer);
            quick(&mut client, &abort, &id, &mut tally);
        }
        tally
    };
    let mut all = Tally::default();
    thread::scope(|scope| {
        let crashers: Vec<_> = (0..CRASHERS).map(|number| scope.spawn(move || crasher(number))).collect();
        for thread in crashers {
            all.merge(thread.join().expect("a client does not panic"));
        }
    });
    all
}
