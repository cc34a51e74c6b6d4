//! Slow and silent clients. The tests wait for the socket, never for a fixed time.

use std::{
    io::{ErrorKind, Read, Write},
    time::Duration,
};

use pixie_server::Config;

use crate::harness::{Client, Running};

const SHORT: Duration = Duration::from_millis(80);

#[test]
fn a_head_that_does_not_end_gets_a_408() {
    let server = Running::start(Config::new().header_timeout(SHORT));
    let mut client = server.client();
    let answer = client.send("GET / HTTP/1.1\r\nhost:").answer();
    assert_eq!(answer.status(), "408");
    assert!(answer.says_close(), "{answer:?}");
    client.closes();
}

#[test]
fn a_head_that_comes_byte_by_byte_gets_a_408() {
    let server = Running::start(Config::new().header_timeout(SHORT));
    let mut client = server.client();
    assert_eq!(client.get("/first").status(), "200");
    client.send("GET / HTTP/1.1\r\nx: ");
    sends_until_408(&mut client);
}

/// Sends one byte after the other until the answer comes.
fn sends_until_408(client: &mut Client) {
    client.socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    let mut answer = [0; 12];
    loop {
        // Each read waits five milliseconds for the answer; a write to the closed socket may fail.
        let _ = client.socket.write(b"y");
        match client.socket.read(&mut answer) {
            Ok(count) => break assert_eq!(&answer[..count], b"HTTP/1.1 408"),
            Err(error) => assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)),
        }
    }
}

#[test]
fn a_body_that_stands_still_is_a_typed_error() {
    let server = Running::start(Config::new().body_timeout(SHORT));
    let mut client = server.client();
    let answer = client.send("POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf").answer();
    assert_eq!((answer.status(), &*answer.body), ("408", "too slow"));
    assert!(answer.says_close(), "{answer:?}");
    client.closes();
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let server = Running::start(Config::new().idle_timeout(SHORT));
    let mut fresh = server.client();
    let mut kept = server.client();
    assert_eq!(kept.get("/").status(), "200");
    fresh.closes();
    kept.closes();
}

#[test]
fn a_connection_without_a_byte_has_the_time_of_a_head() {
    let server = Running::start(Config::new().header_timeout(SHORT));
    server.client().closes();
}

#[test]
fn a_body_below_the_minimum_rate_is_a_typed_error() {
    let server = Running::start(Config::new().body_timeout(SHORT).body_rate_min(100_000));
    let mut client = server.client();
    client.send("POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 10000\r\n\r\n");
    sends_until_408(&mut client);
}

#[test]
fn a_client_that_reads_below_the_minimum_rate_is_cut_off() {
    // Every read is progress, so the time without progress alone would not end this.
    let server = Running::start(Config::new().write_timeout(SHORT).write_rate_min(u64::MAX));
    let mut client = server.client();
    client.send("GET /endless HTTP/1.1\r\nhost: x\r\n\r\n");
    let mut piece = [0; 256 * 1024];
    loop {
        std::thread::sleep(Duration::from_millis(1));
        match client.socket.read(&mut piece) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => break assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    }
}

#[test]
fn a_slow_handler_is_not_timed_out() {
    let short = Config::new().header_timeout(SHORT).body_timeout(SHORT).write_timeout(SHORT).idle_timeout(SHORT);
    let server = Running::start(short);
    let mut slow = server.client();
    slow.send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n");
    server.wait_for_slow(1);
    // Two more connections reach the idle timeout one after the other, so the slow one outlives every
    // timeout.
    server.client().closes();
    server.client().closes();
    server.app.gate.add_permits(1);
    assert_eq!(slow.answer().body, "slow");
}

#[test]
fn a_client_that_does_not_read_is_cut_off() {
    let server = Running::start(Config::new().write_timeout(SHORT));
    let mut client = server.client();
    client.send("GET /endless HTTP/1.1\r\nhost: x\r\n\r\n");
    // The server closes the connection after its writes were blocked, so zero connections are left to cut.
    let mut probe = [0];
    client.socket.peek(&mut probe).unwrap();
    let stopped = server.stop();
    assert_eq!(stopped.cut, 0);
    let mut sink = Vec::new();
    // The stream ends within a chunk or is reset; both mean that the connection was closed early.
    let _ = client.socket.read_to_end(&mut sink);
    assert!(!sink.ends_with(b"0\r\n\r\n"));
}
