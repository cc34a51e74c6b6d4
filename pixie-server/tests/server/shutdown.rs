//! An orderly stop loses no request that was accepted.

use std::{
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use pixie_server::{Config, Connection, Listener, Server, Shutdown};

use crate::harness::{Client, Running, runtime};

const LONG: Duration = Duration::from_secs(30);

/// Returns when the listening socket is closed; then the shutdown has begun for every connection.
fn refuses_connections(address: SocketAddr) {
    while TcpStream::connect(address).is_ok() {}
}

#[test]
fn new_connections_are_served_until_the_delay_is_over_or_the_stop_is_at_once() {
    let server = Running::start(Config::new().close_delay(LONG));
    let mut kept = server.client();
    kept.get("/");
    server.shutdown.trigger();
    assert!(!server.client().get("/").says_close());
    assert!(!kept.get("/").says_close());
    server.shutdown.trigger_at_once();
    refuses_connections(server.address);
    server.stop();

    let delay = Duration::from_millis(200);
    let server = Running::start(Config::new().close_delay(delay));
    let begun = Instant::now();
    server.shutdown.trigger();
    refuses_connections(server.address);
    assert!(begun.elapsed() >= delay, "{:?}", begun.elapsed());
    server.stop();
}

#[test]
fn a_running_request_is_finished_and_says_close() {
    let server = Running::start(Config::new());
    let mut client = server.client();
    client.send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n");
    server.wait_for_slow(1);
    server.shutdown.trigger();
    refuses_connections(server.address);
    server.app.gate.add_permits(1);
    let answer = client.answer();
    assert_eq!(answer.body, "slow");
    assert!(answer.says_close(), "{answer:?}");
    client.closes();
    assert_eq!(server.stop().cut, 0);
}

#[test]
fn a_kept_connection_is_answered_with_close_while_the_server_lingers() {
    let server = Running::start(Config::new().linger(LONG));
    let mut client = server.client();
    assert!(!client.get("/").says_close());
    let mut running = server.client();
    running.send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n");
    server.wait_for_slow(1);
    server.shutdown.trigger();
    refuses_connections(server.address);
    server.app.gate.add_permits(1);
    assert!(running.answer().says_close());
    let answer = client.get("/last");
    assert_eq!(answer.body, "you asked for /last");
    assert!(answer.says_close(), "{answer:?}");
    client.closes();
    assert_eq!(server.stop().cut, 0);
}

#[test]
fn connections_that_wait_to_be_accepted_at_the_stop_are_served() {
    let listener = Listener::bind("127.0.0.1", 0).unwrap();
    let (address, shutdown) = (listener.local_addrs()[0], Shutdown::new());
    // More than one task of tokio may accept in one turn, fewer than any kernel keeps.
    let mut clients: Vec<_> = (0..100).map(|_| Client::connect(address)).collect();
    for client in &mut clients {
        client.send("GET /early HTTP/1.1\r\nhost: x\r\n\r\n");
    }
    shutdown.trigger();
    let server = Server::new(Config::new().linger(LONG)).until(&shutdown);
    let other = Running::start(Config::new());
    let app = other.app.clone();
    // The reactor has not run yet when the server sees the shutdown.
    let thread = thread::spawn(move || {
        runtime().block_on(server.serve(listener, move |connection| app.of(connection))).unwrap()
    });
    for client in &mut clients {
        let answer = client.answer();
        assert_eq!(answer.body, "you asked for /early");
        assert!(answer.says_close(), "{answer:?}");
        client.closes();
    }
    assert_eq!(thread.join().unwrap().cut, 0);
}

#[test]
fn idle_connections_do_not_hold_a_shutdown_up() {
    let server = Running::start(Config::new().shutdown_grace(LONG));
    let (mut fresh, mut kept) = (server.client(), server.client());
    assert_eq!(kept.get("/").status(), "200");
    assert_eq!(server.stop().cut, 0);
    fresh.closes();
    kept.closes();
}

#[test]
fn what_still_runs_after_the_grace_is_cut() {
    let grace = Duration::from_millis(10);
    let server = Running::start(Config::new().shutdown_grace(grace).linger(grace));
    let mut client = server.client();
    client.send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n");
    server.wait_for_slow(1);
    assert_eq!(server.stop().cut, 1);
    client.closes();
}

#[test]
fn asked_to_stop_at_once_a_server_does_not_wait() {
    let server = Running::start(Config::new().shutdown_grace(LONG).linger(LONG));
    let mut client = server.client();
    client.send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n");
    server.wait_for_slow(1);
    server.shutdown.trigger();
    server.shutdown.trigger_at_once();
    assert_eq!(server.stop().cut, 1);
    client.closes();
}

#[test]
fn one_shutdown_stops_a_server_on_several_runtimes() {
    let listener = Listener::bind("127.0.0.1", 0).unwrap();
    let (address, shutdown) = (listener.local_addrs()[0], Shutdown::new());
    let other = Running::start(Config::new());
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let server = Server::new(Config::new()).until(&shutdown);
            let (listener, app) = (listener.try_clone().unwrap(), other.app.clone());
            let make = move |_: &Connection| app.clone();
            thread::spawn(move || runtime().block_on(server.serve(listener, make)).unwrap())
        })
        .collect();
    drop(listener);
    for _ in 0..20 {
        assert_eq!(Client::connect(address).get("/").status(), "200");
    }
    shutdown.trigger();
    for thread in threads {
        assert_eq!(thread.join().unwrap().cut, 0);
    }
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_shutdown_is_heard_by_those_who_wait_and_those_who_come_late() {
    let shutdown = Shutdown::new();
    assert!(!shutdown.is_triggered());
    let waiting = shutdown.clone();
    let waiter = thread::spawn(move || runtime().block_on(waiting.wait()));
    shutdown.trigger();
    waiter.join().unwrap();
    runtime().block_on(shutdown.wait());
    assert!(shutdown.is_triggered() && !shutdown.is_triggered_at_once());
    shutdown.trigger_at_once();
    shutdown.trigger();
    assert!(shutdown.is_triggered_at_once());
}
