//! What a request, a check, a connection and an operation of the store cost: processor time and memory.
//!
//! Each cost is the difference of a process's own time or memory, so clients on the same machine do not
//! count. Linux reports times in units of 10 ms, so each measurement has thousands of events.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use bench_kit::{Result, http::Client, show, system};

use crate::{
    cluster::Cluster,
    interrupt::pause,
    load::PATIENCE,
    namespaces::Host,
    visitor::{Kind, Visitor},
};

/// Clients that send one request after the other: more than the two worker hosts have workers, and half of them
/// fewer. Connections that only stay open.
const CLIENTS: usize = 16;
const IDLE: usize = 1000;
const WARM_UP: usize = 10;
/// Lines of hosts for the cost of checks. They share the two web hosts.
const LINES: usize = 400;
/// Checks of one host per second: two for its state, and two that ask its agent.
const CHECKS: f64 = 4.0;
/// Subscribers of one topic, and messages to it.
const SUBSCRIBERS: usize = 100;
const MESSAGES: usize = 1000;
/// Time without an event before memory is read.
const REST: Duration = Duration::from_secs(1);

/// Processor time of some processes, and what happened at the same time.
struct Used {
    events: f64,
    balancer: Duration,
    web: Duration,
    store: Duration,
    commands: u64,
}

/// Measures all costs and prints them. `time` is how long each takes.
pub(crate) fn measure(cluster: &mut Cluster, time: Duration) -> Result<()> {
    println!("| memory of an idle connection | |\n|---|--:|");
    let bytes = idle(cluster, "balancer", cluster.address())?;
    println!("| client and balancer | {} |", kibibytes(bytes));
    let bytes = idle(cluster, "web1", cluster.app_address("web1"))?;
    println!("| client and app | {} |", kibibytes(bytes));
    let bytes = idle(cluster, "store", cluster.store_address())?;
    println!("| app and store | {} |", kibibytes(bytes));
    println!("\n| what | balancer | web hosts | store | operations of the store |\n|---|--:|--:|--:|--:|");
    for (what, kind, clients) in [
        ("GET of a sync route", Kind::Sync, CLIENTS),
        ("GET of an async route", Kind::Async, CLIENTS),
        ("GET with a rate limit", Kind::Burst, CLIENTS),
        ("PUT with a session in the store", Kind::Session, CLIENTS),
        ("POST that uses the store", Kind::Order, CLIENTS),
        ("GET of a pool route, a worker is free", Kind::Image, CLIENTS / 2),
        ("GET of a pool route, waits for a worker", Kind::Image, CLIENTS),
    ] {
        let used = during(cluster, |cluster| requests(&cluster.client, cluster.address(), kind, clients, time))?;
        used.print(what);
    }
    let lines = many_lines(cluster);
    cluster.balance(&lines)?;
    let used = during(cluster, |_| pause(time).map(|()| LINES as f64 * CHECKS * time.as_secs_f64()))?;
    used.print("check of a host or its agent");
    cluster.balance(&cluster.host_lists())?;
    cluster.wait_until_used()?;
    let used = during(cluster, |cluster| messages(&cluster.client, cluster.store_address()))?;
    used.print("message to one of 100 hosts");
    Ok(())
}

impl Used {
    fn print(&self, what: &str) {
        let each = |time: Duration| show::time(time.div_f64(self.events));
        let commands = self.commands as f64 / self.events;
        println!("| {what} | {} | {} | {} | {commands:.2} |", each(self.balancer), each(self.web), each(self.store));
    }
}

/// Runs `work`, which returns how many events there were, and returns what they used.
fn during(cluster: &mut Cluster, work: impl FnOnce(&mut Cluster) -> Result<f64>) -> Result<Used> {
    let look = |cluster: &mut Cluster| -> Result<[u128; 4]> {
        let time = |pid| system::process(pid).map_or(0, |process| process.used.as_nanos());
        let [balancer, web1, web2, store] =
            ["balancer", "web1", "web2", "store"].map(|name| cluster.machine(name).pid());
        let commands = cluster.client.run(|| commands(cluster.store_address()))??;
        Ok([time(balancer), time(web1) + time(web2), time(store), u128::from(commands)])
    };
    let before = look(cluster)?;
    let events = work(cluster)?;
    let after = look(cluster)?;
    let difference = |index: usize| (after[index] - before[index]) as u64;
    let time = |index| Duration::from_nanos(difference(index));
    // The question for the number is a command, too.
    Ok(Used { events, balancer: time(0), web: time(1), store: time(2), commands: difference(3) - 1 })
}

/// Sends requests of one kind for a time, and returns how many.
fn requests(client: &Host, address: SocketAddr, kind: Kind, clients: usize, time: Duration) -> Result<f64> {
    let begun = Instant::now();
    let ask = || {
        client.enter()?;
        let (mut count, mut client) = (0, Client::new(address, PATIENCE));
        let mut visitor = Visitor::new(kind, crate::load::unique());
        while begun.elapsed() < time {
            let answer = client.send_bytes(&visitor.request()).and_then(|()| client.receive())?;
            visitor.take_cookie(client.header("set-cookie"));
            if ![200, 429].contains(&answer.status) {
                return Err(format!("{kind:?}: {}", answer.status).into());
            }
            count += 1;
        }
        Ok(count)
    };
    let count = thread::scope(|scope| {
        let threads: Vec<_> = (0..clients).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| "a client panicked")?).sum::<Result<u64>>()
    })?;
    Ok(count as f64)
}

/// Returns lists of hosts with many lines for the role `web`.
fn many_lines(cluster: &Cluster) -> [String; 2] {
    let [web, images] = cluster.host_lists();
    let addresses = web.trim_start_matches("web=");
    [format!("web={}", vec![addresses; LINES / 2].join(",")), images]
}

/// Publishes messages to many subscribers, and returns how many copies were sent.
fn messages(client: &Host, store: SocketAddr) -> Result<f64> {
    client.run(|| -> Result<f64> {
        let subscribers: Vec<_> = (0..SUBSCRIBERS)
            .map(|_| -> Result<_> {
                let mut stream = TcpStream::connect_timeout(&store, PATIENCE)?;
                stream.write_all(b"SUBSCRIBE costs\r\n")?;
                Ok(thread::spawn(move || stream.read_to_end(&mut Vec::new())))
            })
            .collect::<Result<_>>()?;
        let mut publisher = TcpStream::connect_timeout(&store, PATIENCE)?;
        for _ in 0..MESSAGES {
            publisher.write_all(b"PUBLISH costs 12345678901234567890123456789012\r\n")?;
            line(&mut publisher)?;
        }
        // Ends the connections of the subscribers, so that their threads end.
        publisher.write_all(b"CLIENT KILL TYPE pubsub\r\n")?;
        line(&mut publisher)?;
        subscribers.into_iter().for_each(|thread| drop(thread.join()));
        Ok((SUBSCRIBERS * MESSAGES) as f64)
    })?
}

/// Returns how many commands the store has run.
fn commands(store: SocketAddr) -> Result<u64> {
    let mut stream = TcpStream::connect_timeout(&store, PATIENCE)?;
    stream.write_all(b"INFO stats\r\n")?;
    let mut text = String::new();
    loop {
        let line = line(&mut stream)?;
        if let Some(count) = line.strip_prefix("total_commands_processed:") {
            text.push_str(count.trim());
            return Ok(text.parse()?);
        }
    }
}

fn line(stream: &mut TcpStream) -> Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\n") {
        stream.read_exact(&mut byte)?;
        line.extend(byte);
    }
    Ok(String::from_utf8_lossy(&line).trim().to_owned())
}

/// Opens connections, sends one request on each, and returns by how many bytes the process has grown for
/// each of them.
fn idle(cluster: &mut Cluster, name: &str, address: SocketAddr) -> Result<f64> {
    let pid = cluster.machine(name).pid();
    let memory = || system::process(pid).map_or(0, |process| process.resident);
    let open = |count| -> Result<Vec<TcpStream>> {
        let request: &[u8] = if name == "store" { b"PING\r\n" } else { b"GET /sync/1 HTTP/1.1\r\nHost: x\r\n\r\n" };
        let open = |_| -> Result<TcpStream> {
            let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
            stream.write_all(request)?;
            line(&mut stream)?;
            Ok(stream)
        };
        (0..count).map(open).collect()
    };
    let client = cluster.client.clone();
    // A few warm up what all share. More would leave memory that the process keeps and uses again.
    drop(client.run(|| open(WARM_UP))??);
    pause(REST)?;
    let before = memory();
    let connections = client.run(|| open(IDLE))??;
    pause(REST)?;
    let after = memory();
    drop(connections);
    Ok(after.saturating_sub(before) as f64 / IDLE as f64)
}

fn kibibytes(bytes: f64) -> String {
    format!("{:.1} KiB", bytes / 1024.0)
}
