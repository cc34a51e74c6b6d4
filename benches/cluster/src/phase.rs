//! The phases: what fails in each, and how much of the time each takes.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use bench_kit::{Result, http::Client};

use crate::{
    cluster::Cluster,
    interrupt::{check, pause, pause_until},
    link::BadLink,
    load::{PATIENCE, unique},
    namespaces::Host,
    tally::{Excuses, Tally},
};

/// Pause before a fault, and between a fault and its repair.
const BEFORE: Duration = Duration::from_secs(1);
const BROKEN: Duration = Duration::from_secs(2);
/// How long a link is cut: longer than the balancer needs to give up its connections.
const CUT: Duration = Duration::from_secs(5);
/// Pause between two faults of workers.
const FAULT_PAUSE: Duration = Duration::from_millis(100);

/// One phase.
pub(crate) struct Phase {
    /// Its name in the report.
    pub(crate) name: &'static str,
    /// What may go wrong without a broken promise.
    pub(crate) excuses: Excuses,
    /// Does the fault again and again until the time is over, at least once.
    pub(crate) fault: fn(&mut Cluster, Instant) -> Result<Outcome>,
}

/// What a fault reports in addition to what the visitors saw.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// For the report.
    pub(crate) note: String,
    /// Answers that the fault itself checked.
    pub(crate) tally: Tally,
}

const CALM: Excuses = Excuses { hosts_fail: false, store_is_away: false };
const HOSTS: Excuses = Excuses { hosts_fail: true, store_is_away: false };
const STORE: Excuses = Excuses { hosts_fail: false, store_is_away: true };

/// All phases, in their order.
pub(crate) const PHASES: [Phase; 9] = [
    Phase { name: "no fault", excuses: CALM, fault: calm },
    Phase { name: "kill -9 of a worker host", excuses: HOSTS, fault: |c, end| kill(c, end, ["images1", "images2"]) },
    Phase { name: "kill -9 of a web host", excuses: HOSTS, fault: |c, end| kill(c, end, ["web1", "web2"]) },
    Phase { name: "link of a worker host cut", excuses: HOSTS, fault: |c, end| cut(c, end, ["images2", "images1"]) },
    Phase { name: "link of a web host cut", excuses: HOSTS, fault: |c, end| cut(c, end, ["web2", "web1"]) },
    Phase { name: "2 % loss, 20 ms delay", excuses: HOSTS, fault: bad_link },
    Phase { name: "rolling update", excuses: CALM, fault: update },
    Phase { name: "restart of the store", excuses: STORE, fault: restart_store },
    Phase { name: "faults of workers", excuses: CALM, fault: break_workers },
];

fn calm(_: &mut Cluster, end: Instant) -> Result<Outcome> {
    pause_until(end)?;
    Ok(Outcome::default())
}

fn kill(cluster: &mut Cluster, end: Instant, hosts: [&'static str; 2]) -> Result<Outcome> {
    repeat("kill", end, |round| {
        let host = hosts[round % hosts.len()];
        cluster.machine(host).kill()?;
        pause(BROKEN)?;
        cluster.start_app(host)?;
        cluster.wait_until_used()
    })
}

fn cut(cluster: &mut Cluster, end: Instant, hosts: [&'static str; 2]) -> Result<Outcome> {
    repeat("cut", end, |round| {
        let host = hosts[round % hosts.len()];
        cluster.network().set_link(host, false)?;
        pause(CUT)?;
        cluster.network().set_link(host, true)?;
        cluster.wait_until_used()
    })
}

fn bad_link(cluster: &mut Cluster, end: Instant) -> Result<Outcome> {
    let link = BadLink::start(cluster.network(), &["web1", "images1"])?;
    pause_until(end)?;
    Ok(Outcome { note: format!("web1 and images1, by {}", link.means), ..Outcome::default() })
}

/// Replaces the app on each host, one after the other, while the others serve.
fn update(cluster: &mut Cluster, end: Instant) -> Result<Outcome> {
    for host in cluster.app_hosts() {
        cluster.replace_app(host)?;
        cluster.wait_until_used()?;
    }
    pause_until(end)?;
    Ok(Outcome { note: "each host: drain, replace, ready".into(), ..Outcome::default() })
}

fn restart_store(cluster: &mut Cluster, end: Instant) -> Result<Outcome> {
    repeat("restart", end, |_| {
        cluster.machine("store").stop()?;
        cluster.start_store()?;
        pause(BROKEN)
    })
}

/// Does something until the time is over, at least once.
fn repeat(what: &str, end: Instant, mut round: impl FnMut(usize) -> Result<()>) -> Result<Outcome> {
    let mut rounds = 0;
    let mut longest = Duration::ZERO;
    while rounds == 0 || Instant::now() + longest < end {
        let begun = Instant::now();
        pause(BEFORE)?;
        round(rounds)?;
        rounds += 1;
        longest = longest.max(begun.elapsed());
    }
    pause_until(end)?;
    let plural = if rounds == 1 { "" } else { "s" };
    Ok(Outcome { note: format!("{rounds} {what}{plural}"), ..Outcome::default() })
}

/// Crashes, endless loops and leaks in workers, one after the other.
fn break_workers(cluster: &mut Cluster, end: Instant) -> Result<Outcome> {
    let (client, address) = (cluster.client.clone(), cluster.address());
    let tally = thread::scope(|scope| {
        let thread = scope.spawn(|| order_faults(&client, address, end));
        thread.join().unwrap_or_else(|_| Err("a visitor panicked".into()))
    })?;
    let counts: Vec<String> = tally.faults.iter().map(|(name, count)| format!("{name} {count}")).collect();
    Ok(Outcome { note: counts.join(", "), tally })
}

fn order_faults(host: &Host, address: SocketAddr, end: Instant) -> Result<Tally> {
    const FAULTS: [(&str, u16); 3] = [("crash", 502), ("loop", 504), ("leak", 502)];
    host.enter()?;
    let mut client = Client::new(address, PATIENCE);
    let (mut tally, mut counts) = (Tally::default(), BTreeMap::new());
    for (name, expected) in FAULTS.iter().cycle() {
        if Instant::now() >= end {
            break;
        }
        check()?;
        tally.requests += 1;
        *counts.entry(*name).or_default() += 1;
        match client.get(&format!("/{name}/{}", unique())) {
            Ok(answer) if answer.status == *expected => {}
            Ok(answer) => tally.wrong.add(format!("{name}: {} instead of {expected}", answer.status)),
            Err(error) => tally.lost.add(format!("{name}: {error}")),
        }
        thread::sleep(FAULT_PAUSE);
    }
    tally.faults = counts;
    Ok(tally)
}
