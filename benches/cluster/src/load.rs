//! Load through the balancer: visitors that send one request after the other, each answer checked.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use bench_kit::{Result, http::Client};

use crate::{
    cluster::Cluster,
    namespaces::Host,
    tally::{Excuses, Tally},
    topic,
    visitor::{KINDS, Kind, Visitor},
};

/// Time after which an answer counts as lost. Longer than all timeouts of the balancer and the app.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Pause of a visitor after each request. So the load leaves processor time for what happens beside it.
const PAUSE: Duration = Duration::from_millis(10);

/// Topics, each with one subscriber and one publisher.
const TOPICS: usize = 2;

/// Runs a fault while visitors send requests, and returns their results.
pub(crate) fn run(
    cluster: &mut Cluster,
    connections: usize,
    excuses: Excuses,
    fault: impl FnOnce(&mut Cluster) -> Result<()>,
) -> Result<Tally> {
    let (client, address) = (cluster.client.clone(), cluster.address());
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for number in 0..connections {
            let (client, stop) = (&client, &stop);
            threads.push(scope.spawn(move || {
                client.enter()?;
                Ok(visit(KINDS[number % KINDS.len()], address, excuses, stop))
            }));
        }
        for _ in 0..TOPICS {
            threads.push(scope.spawn(|| topic::run(&client, address, excuses, &stop)));
        }
        let done = fault(cluster);
        stop.store(true, Ordering::Relaxed);
        let mut all = Tally::default();
        for thread in threads {
            all.merge(thread.join().map_err(|_| "a visitor panicked")??);
        }
        done.map(|()| all)
    })
}

fn visit(kind: Kind, address: SocketAddr, excuses: Excuses, stop: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    let mut visitor = Visitor::new(kind, unique());
    let mut client = Client::new(address, PATIENCE);
    while !stop.load(Ordering::Relaxed) {
        let request = visitor.request();
        let start = Instant::now();
        let answer = client.send_bytes(&request).and_then(|()| client.receive());
        let latency = start.elapsed();
        match &answer {
            Ok(_) => visitor.take_cookie(client.header("set-cookie")),
            Err(_) => client.close(),
        }
        if tally.judge(&mut visitor, answer, excuses) {
            tally.latencies.add(latency);
        }
        thread::sleep(PAUSE);
    }
    tally
}

/// Returns a name that no other visitor of this run has.
pub(crate) fn unique() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("v{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Sends the image route as many requests as it can answer, for a time. Returns the answers per second.
pub(crate) fn throughput(client: &Host, address: SocketAddr, connections: usize, time: Duration) -> Result<f64> {
    let begun = Instant::now();
    let right = thread::scope(|scope| {
        let ask = || {
            client.enter()?;
            let (mut right, mut client, mut visitor) =
                (0, Client::new(address, PATIENCE), Visitor::new(Kind::Image, unique()));
            while begun.elapsed() < time {
                let answer = client.send_bytes(&visitor.request()).and_then(|()| client.receive())?;
                if answer.status != 200 || visitor.check(&String::from_utf8_lossy(&answer.body)).is_err() {
                    return Err(format!("a request failed with {}", answer.status).into());
                }
                right += 1;
            }
            Ok(right)
        };
        let threads: Vec<_> = (0..connections).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| "a visitor panicked")?).sum::<Result<u64>>()
    })?;
    Ok(right as f64 / begun.elapsed().as_secs_f64())
}
