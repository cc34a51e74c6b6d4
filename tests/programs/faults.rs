//! The main promise, on a real program with real workers: a faulty handler does not affect other requests.
use std::{
    collections::BTreeSet,
    io::{Read, Write},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::support::{Program, states, until};

#[test]
fn each_way_to_die_has_its_status_and_the_next_request_is_fine() {
    let faults = Program::start("faults");
    let expected = [
        ("/segv", 502),
        ("/abort", 502),
        ("/overflow", 502),
        ("/oom", 502),
        ("/exit", 502),
        ("/panic", 500),
        ("/garbage", 200),
        ("/loop", 504),
        ("/sleep/1", 200),
        ("/sleep/soon", 404),
    ];
    for (path, status) in expected {
        let answer = faults.get(path);
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert_eq!(faults.get("/ok?id=alive").body, "alive", "after {path}");
    }
}

#[test]
fn development_names_the_route_whose_worker_was_killed_and_its_deadline() {
    let faults = Program::start_with("faults", &[("PIXIE_POOL_DEFAULT", "deadline=200ms")]);
    let expected = [
        ("/loop", "(1s, from the route)"),
        ("/sleep/5000", "(200ms, from the pool `default`: environment PIXIE_POOL_DEFAULT)"),
        ("/abort", "SIGABRT"),
    ];
    for (path, cause) in expected {
        let body = faults.get(path).body;
        assert!(body.contains(&format!("{cause}\"]")), "{path}: {body}");
        assert!(body.contains("\"place\":\"examples/faults.rs:"), "{path}: {body}");
    }
}

#[test]
fn a_client_is_not_told_why_a_worker_exited() {
    let faults = Program::start_with("faults", &[("PIXIE_DEV", "0")]);
    for path in ["/segv", "/panic", "/loop"] {
        let body = faults.get(path).body.to_lowercase();
        for secret in ["signal", "segv", "panicked", ".rs", "worker"] {
            assert!(!body.contains(secret), "{path} tells `{secret}`: {body}");
        }
    }
}

/// Several thousand requests on many connections, some of them faulty. Each gets its own response, and no
/// process is left.
#[test]
fn a_mix_of_faults_under_load_answers_every_request_rightly_and_leaves_nothing_behind() {
    const CONNECTIONS: usize = 16;
    const REQUESTS: usize = 250;
    let faults = Program::start("faults");
    faults.get("/ok?id=warm");
    let workers = faults.workers().len();
    let descriptors = faults.descriptors();
    let crashes = AtomicUsize::new(0);
    thread::scope(|scope| {
        for connection in 0..CONNECTIONS {
            let (faults, crashes) = (&faults, &crashes);
            scope.spawn(move || {
                let mut stream = faults.connect();
                for number in 0..REQUESTS {
                    let id = format!("{connection}-{number}");
                    let (target, status) = mixed(connection, number, &id);
                    let (got, body) = exchange(&mut stream, &target);
                    assert_eq!(got, status, "{target}: {body}");
                    if status == 200 && target.contains("id=") {
                        assert_eq!(body, id, "{target}");
                    }
                    crashes.fetch_add(usize::from(status == 502), Ordering::Relaxed);
                }
            });
        }
    });
    assert!(crashes.into_inner() > CONNECTIONS, "the mix holds faults that kill");
    until("there are as many workers as before, none of them a zombie", || {
        let now = faults.workers();
        (now.len() == workers && !states(&now).contains(&'Z')).then_some(())
    });
    until("there are as many descriptors as before", || (faults.descriptors() <= descriptors).then_some(()));
}

fn mixed(connection: usize, number: usize, id: &str) -> (String, u16) {
    const DEADLY: [&str; 4] = ["/segv", "/abort", "/exit", "/overflow"];
    match number % 50 {
        7 => (DEADLY[(connection + number / 50) % DEADLY.len()].into(), 502),
        17 => ("/panic".into(), 500),
        27 => ("/garbage".into(), 200),
        37 if number < 50 && connection < 2 => ("/loop".into(), 504),
        47 if number < 50 && connection < 2 => ("/oom".into(), 502),
        rest if rest % 10 == 3 => (format!("/sync?id={id}"), 200),
        rest if rest % 10 == 5 => (format!("/async?id={id}"), 200),
        _ => (format!("/ok?id={id}"), 200),
    }
}

/// One request and its answer on a connection that stays open.
fn exchange(stream: &mut std::net::TcpStream, target: &str) -> (u16, String) {
    write!(stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("the request can be sent");
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).expect("the answer can be read");
        assert!(read > 0, "{target}: the connection ended in the middle: {}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.expect("the answer has a length") {
            let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
            return (status.expect("the answer has a status"), body.to_owned());
        }
    }
}

#[test]
fn a_killed_server_leaves_no_worker() {
    let mut faults = Program::start("faults");
    // One worker computes, one sleeps, the others are idle. All must exit.
    let mut busy: Vec<_> = (0..2).map(|_| faults.connect()).collect();
    for (stream, target) in busy.iter_mut().zip(["/loop", "/sleep/20000"]) {
        write!(stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("the request can be sent");
    }
    let workers = faults.workers();
    assert!(!workers.is_empty());
    faults.signal("KILL");
    faults.wait();
    let killed = Instant::now();
    until("all workers are gone", || states(&workers).iter().all(|state| *state == 'Z').then_some(()));
    assert!(killed.elapsed() < Duration::from_secs(5), "a worker outlived its server by {:?}", killed.elapsed());
}

#[test]
fn a_terminated_server_finishes_what_runs_and_exits_with_0() {
    let mut faults = Program::start("faults");
    let mut stream = faults.connect();
    write!(stream, "GET /sleep/300 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("it can be sent");
    let workers: BTreeSet<_> = faults.workers().into_iter().collect();
    faults.signal("TERM");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the answer can be read");
    assert!(answer.ends_with("slept 300 ms"), "{answer}");
    assert_eq!(faults.wait(), Some(0));
    until("all workers are gone", || states(&workers.iter().copied().collect::<Vec<_>>()).is_empty().then_some(()));
}

#[test]
fn a_client_that_leaves_frees_its_worker() {
    let faults = Program::start_with("faults", &[("PIXIE_WORKERS", "1")]);
    let mut stream = faults.connect();
    write!(stream, "GET /sleep/25000 HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("the request can be sent");
    drop(stream);
    // With one worker, this is answered only if the sleeping job was canceled: its deadline of 15 s has not
    // passed.
    assert_eq!(faults.get("/ok?id=free").body, "free");
}
