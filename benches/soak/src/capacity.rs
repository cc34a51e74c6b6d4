//! What the machine can serve: requests per second without faults, and workers that it can start per second.

use std::{
    thread,
    time::{Duration, Instant},
};

use bench_kit::{Result, http::Client};

use crate::{
    args::Args,
    fault::{Expected, Fault, mean_exits, named},
    load::{PATIENCE, Phase, quick},
    server::Server,
    tally::Tally,
};

/// Time of each of the two measurements.
const TIME: Duration = Duration::from_secs(3);
/// Connections that crash workers. More than there are workers, so that there is always a worker to replace.
const CRASHERS: usize = 4;
/// The share of worker starts that the soak uses. The rest is for the load itself.
const RESPAWN_SHARE: f64 = 0.5;

/// What the machine can serve.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capacity {
    /// Requests per second, without faults.
    pub(crate) requests: f64,
    /// Workers that crashed and were replaced per second, without other load.
    pub(crate) respawns: f64,
}

impl Capacity {
    /// Measures both. All failures are counted.
    pub(crate) fn measure(server: &Server, args: &Args, tally: &mut Tally) -> Result<Self> {
        let until = Instant::now() + TIME;
        let warm_up = Phase {
            address: server.address,
            number: 0,
            connections: args.connections,
            until,
            pace: None,
            faults: &[],
            has_slow: false,
            raw: &[],
        }
        .run();
        let requests = warm_up.requests as f64 / TIME.as_secs_f64();
        tally.merge(warm_up);
        let (before, start) = (server.counts()?, Instant::now());
        tally.merge(crash(server));
        let exited = server.counts()?.exited - before.exited;
        let respawns = exited as f64 / start.elapsed().as_secs_f64();
        // So that the pool of the streams has its fork server, too, before descriptors are counted.
        let mut client = Client::new(server.address, PATIENCE);
        named("broken").iter().for_each(|broken| quick(&mut client, broken, "first", tally));
        Ok(Capacity { requests, respawns })
    }

    /// Returns how many fast faults per second make the wanted share of requests, and for how many the
    /// machine can start workers.
    pub(crate) fn faults(&self, share: f64, faults: &[&Fault]) -> (f64, f64) {
        (self.requests * share, self.respawns * RESPAWN_SHARE / mean_exits(faults).max(0.1))
    }
}

/// Crashes one worker after the other. A healthy request in between makes each worker complete a job first.
fn crash(server: &Server) -> Tally {
    let until = Instant::now() + TIME;
    let abort = Fault { name: "abort", expected: Expected::Status(502), exits: 2 };
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
