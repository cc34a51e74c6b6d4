//! Clients that end their sending side, leave, or hold many connections.

use std::net::Shutdown;

use pixie_server::{Config, Protocol};

use crate::harness::{Client, Running};

/// Sends one request, ends the sending side, and returns all bytes of the response.
fn half_closed(server: &Running, request: &str) -> String {
    let mut client = server.client();
    client.send(request).socket.shutdown(Shutdown::Write).unwrap();
    String::from_utf8(client.rest()).unwrap()
}

#[test]
fn connections_are_counted_while_they_are_open_and_by_what_they_speak() {
    let server = Running::start(Config::new().connections_max(2));
    let (mut one, mut other) = (server.client(), server.client());
    for client in [&mut one, &mut other] {
        client.send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n");
    }
    server.wait_for_slow(2);
    assert_eq!(server.client().get("/").status(), "503");
    let counters = server.counters.clone();
    assert_eq!((counters.open(), counters.accepted(), counters.refused()), (2, 2, 1));
    assert_eq!((counters.speaking(Protocol::Http1), counters.speaking(Protocol::Http2)), (2, 0));
    server.app.gate.add_permits(2);
    one.answer();
    other.answer();
    drop((one, other));
    server.stop();
    assert_eq!((counters.open(), counters.accepted()), (0, 2));
}

#[test]
fn a_half_closed_client_gets_its_answer() {
    let server = Running::start(Config::new());
    for _ in 0..20 {
        let answer = half_closed(&server, "GET / HTTP/1.1\r\nhost: x\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nyou asked for /"), "{answer}");
        let answer = half_closed(&server, "GET /later HTTP/1.1\r\nhost: x\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nlater"), "{answer}");
        let answer = half_closed(&server, "GET /later HTTP/1.0\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.ends_with("\r\n\r\nlater"), "{answer}");
        let answer = half_closed(&server, "POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n4 bytes"), "{answer}");
        let both = "GET /later HTTP/1.1\r\nhost: x\r\n\r\n".repeat(2);
        assert_eq!(half_closed(&server, &both).matches("HTTP/1.1 200 OK\r\n").count(), 2);
    }
}

#[test]
fn a_half_closed_client_gets_all_chunks_of_a_stream() {
    let server = Running::start(Config::new());
    for wait in [false, true] {
        let mut client = server.client();
        client.send("GET /pieces HTTP/1.1\r\nhost: x\r\n\r\n");
        if wait {
            client.answer_to_head();
        }
        client.socket.shutdown(Shutdown::Write).unwrap();
        server.app.gate.add_permits(2);
        let bytes = String::from_utf8(client.rest()).unwrap();
        let mut chunks = bytes.rsplit("\r\n\r\n").nth(1).unwrap().split("\r\n").collect::<Vec<_>>();
        chunks.retain(|line| line.starts_with('p') || line.bytes().all(|byte| byte == b'0'));
        assert_eq!((chunks[0], chunks[1]), ("piece", "piece"), "{bytes}");
        // Leading zeros are allowed.
        assert!(chunks[2].bytes().all(|byte| byte == b'0'), "{bytes}");
    }
}

#[test]
fn a_body_that_a_half_closed_client_did_not_send_is_an_error() {
    let server = Running::start(Config::new());
    let answer = half_closed(&server, "POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 40\r\n\r\nbody");
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n") && answer.ends_with("Some(ClientGone)"), "{answer}");
}

#[test]
fn the_request_of_a_client_that_has_left_is_dropped() {
    let server = Running::start(Config::new());
    for (request, begins) in [
        ("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n", false),
        // The handler does not read the body.
        ("POST /slow HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody", false),
        ("GET /pieces HTTP/1.1\r\nhost: x\r\n\r\n", true),
    ] {
        let mut client = server.client();
        client.send(request);
        server.wait_for_slow(1);
        if begins {
            client.answer_to_head();
        }
        drop(client);
        server.wait_for_dropped(1);
    }
}

#[test]
fn an_idle_connection_gives_its_place_to_a_new_one() {
    let server = Running::start(Config::new().connections_max(3));
    let mut busy = server.client();
    busy.send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n");
    server.wait_for_slow(1);
    let mut kept = server.client();
    assert_eq!(kept.get("/").status(), "200");
    let mut begun = server.client();
    begun.send("GET / HTTP/1.1\r\nho");
    let mut silent: Vec<Client> = (0..6).map(|_| server.client()).collect();
    // Each new connection closes the one that has been idle longest, and the last is answered.
    let mut last = server.client();
    assert_eq!(last.get("/").status(), "200");
    kept.closes();
    begun.closes();
    silent[0].closes();
    server.app.gate.add_permits(1);
    assert_eq!(busy.answer().body, "slow");
}

#[test]
fn without_a_free_place_a_client_gets_a_503() {
    let server = Running::start(Config::new().connections_max(1));
    let mut busy = server.client();
    busy.send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n");
    server.wait_for_slow(1);
    for _ in 0..3 {
        let mut refused = server.client();
        let answer = refused.get("/");
        assert_eq!(answer.status(), "503");
        assert!(answer.says_close() && answer.head.contains("retry-after: 1\r\n"), "{answer:?}");
        assert!(answer.body.contains("too many connections"), "{answer:?}");
        refused.closes();
    }
    server.app.gate.add_permits(1);
    assert_eq!(busy.answer().body, "slow");
    drop(busy);
    assert!((0..10_000).any(|_| server.client().get("/").status() == "200"), "the place is free again");
}
