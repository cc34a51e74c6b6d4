//! Full load: connections that send one request after the other. Each response is compared with its request.
//!
//! One call is one phase. The fast faults have connections of their own, so that the healthy load does not
//! depend on how fast faults are answered. `slow` sends the slow faults, which occupy a worker for a while.

use std::{
    io::ErrorKind,
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use bench_kit::http::Client;

use crate::{
    fault::{Expected, Fault},
    pace::Pace,
    raw::ForkLoop,
    slow,
    tally::{HEALTHY, RAW, Tally},
};

/// Time after which a response counts as lost. Longer than every deadline and queue timeout of the server.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Interval between checks whether a fault is due.
const DUE_CHECK: Duration = Duration::from_micros(200);

/// Limits the requests of one connection in one phase, above what a connection can send.
const REQUESTS_MAX: u64 = 10_000_000;

/// One phase.
#[derive(Debug)]
pub(crate) struct Phase<'a> {
    /// The server's address.
    pub(crate) address: SocketAddr,
    /// A number that is unique in this run.
    pub(crate) number: u32,
    /// Connections that send one request after the other.
    pub(crate) connections: u32,
    /// Time after which no request is sent.
    pub(crate) until: Instant,
    /// The rate of the fast faults, if this phase has faults.
    pub(crate) pace: Option<&'a Pace>,
    /// The fast faults, at least one.
    pub(crate) faults: &'a [&'static Fault],
    /// Whether there are slow faults as well.
    pub(crate) has_slow: bool,
    /// What takes the place of the faults, if anything does: one for each connection.
    pub(crate) raw: &'a [ForkLoop],
}

impl Phase<'_> {
    /// Puts the server under load and returns the results.
    pub(crate) fn run(&self) -> Tally {
        let mut all = Tally::default();
        thread::scope(|scope| {
            let connections = (0..self.connections).map(|connection| scope.spawn(move || self.connection(connection)));
            let mut running: Vec<_> = connections.collect();
            if let Some(pace) = self.pace {
                let senders = 0..self.connections.div_ceil(HEALTHY.len() as u32);
                running.extend(senders.map(|sender| scope.spawn(move || self.send_faults(sender, pace))));
            }
            if self.has_slow {
                running.push(scope.spawn(|| slow::run(self)));
            }
            for thread in running {
                all.merge(thread.join().expect("a client does not panic"));
            }
        });
        all
    }

    /// Returns whether there is time for another request.
    pub(crate) fn is_on(&self) -> bool {
        Instant::now() < self.until
    }

    fn connection(&self, connection: u32) -> Tally {
        let mut tally = Tally::default();
        let mut client = Client::new(self.address, PATIENCE);
        // Each connection uses one route, so that a slow route does not reduce the load on the others.
        let route = connection as usize % HEALTHY.len();
        for number in 0..REQUESTS_MAX {
            let start = Instant::now();
            if start >= self.until {
                break;
            }
            let id = format!("{}-{connection}-{number}", self.number);
            let target = format!("/{}?id={id}", HEALTHY[route]);
            let answer = client.get(&target);
            let latency = start.elapsed();
            if tally.judge(&target, 200, Some(id.as_bytes()), answer) {
                tally.latencies[route].add(latency);
            }
        }
        tally
    }

    /// Sends the fast faults that are due, or has processes forked in their place.
    fn send_faults(&self, sender: u32, pace: &Pace) -> Tally {
        let (mut client, mut tally) = (Client::new(self.address, PATIENCE), Tally::default());
        while self.is_on() {
            let Some(number) = pace.take(Instant::now()) else {
                thread::sleep(DUE_CHECK);
                continue;
            };
            let fault = self.faults[(number % self.faults.len() as u64) as usize];
            match self.raw.get(sender as usize) {
                Some(raw) => forks(raw, fault.exits, &mut tally),
                None => quick(&mut client, fault, &format!("{}-{number}", self.number), &mut tally),
            }
        }
        tally
    }
}

/// Has as many processes forked as a fault ends.
fn forks(raw: &ForkLoop, exits: u32, tally: &mut Tally) {
    for _ in 0..exits {
        match raw.round_trip() {
            Ok(()) => tally.fault(RAW),
            Err(error) => tally.lost.add(format!("a raw fork: {error}")),
        }
    }
}

/// Sends one fast fault and checks its result.
pub(crate) fn quick(client: &mut Client, fault: &Fault, id: &str, tally: &mut Tally) {
    let target = format!("/{}?id={id}", fault.name);
    let answer = client.get(&target);
    tally.fault(fault.name);
    match fault.expected {
        Expected::Status(status) => {
            tally.judge(&target, status, None, answer);
        }
        Expected::Cut => {
            let is_cut = answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::UnexpectedEof);
            match is_cut {
                true => tally.requests += 1,
                false => drop(tally.judge(&target, 0, None, answer)),
            }
        }
    }
}
