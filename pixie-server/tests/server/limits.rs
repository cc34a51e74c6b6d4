//! Each limit of requests, at the limit and one above, in HTTP/1.1. `http2.rs` has them for HTTP/2.

use std::time::Duration;

use pixie_server::Config;

use crate::harness::Running;

const SHORT: Duration = Duration::from_millis(80);

#[test]
fn a_target_above_the_limit_gets_a_414() {
    let server = Running::start(Config::new().uri_bytes_max(100_u64));
    let mut client = server.client();
    assert_eq!(client.get(&format!("/{}", "x".repeat(99))).status(), "200");
    let refused = client.get(&format!("/{}", "x".repeat(100)));
    assert_eq!(refused.status(), "414");
    assert!(refused.says_close() && refused.body.contains("too long"), "{refused:?}");
    client.closes();
}

#[test]
fn a_target_that_is_longer_than_a_head_gets_a_414_too() {
    let server = Running::start(Config::new().head_bytes_max("1kB").uri_bytes_max("500B"));
    for padding in [1000, 5000, 100_000] {
        let mut client = server.client();
        let refused = client.send(&format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(padding))).answer();
        assert_eq!(refused.status(), "414", "{padding}");
        assert!(refused.says_close() && refused.body.contains("target"), "{refused:?}");
        client.closes();
    }
    let header = format!("GET / HTTP/1.1\r\nhost: x\r\na: {}", "x".repeat(5000));
    assert_eq!(server.client().send(&header).answer().status(), "431");
}

#[test]
fn more_headers_than_the_limit_get_a_431() {
    for max in [5, 100] {
        let server = Running::start(Config::new().headers_max(max));
        let mut client = server.client();
        let head = |count: usize| format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(count - 1));
        assert_eq!(client.send(&head(max)).answer().status(), "200");
        let refused = client.send(&head(max + 1)).answer();
        assert_eq!(refused.status(), "431");
        assert!(refused.body.contains("too many headers"), "{refused:?}");
    }
}

#[test]
fn the_last_request_of_a_connection_is_told_so() {
    let server = Running::start(Config::new().requests_per_connection_max(2));
    let mut client = server.client();
    assert!(!client.get("/").says_close());
    assert!(client.get("/").says_close());
    client.closes();
}

#[test]
fn a_response_that_takes_too_long_in_all_is_a_504() {
    let server = Running::start(Config::new().request_timeout(SHORT));
    let mut client = server.client();
    assert_eq!(client.get("/").status(), "200");
    let late = client.get("/slow");
    assert_eq!(late.status(), "504");
    assert!(late.says_close() && late.body.contains("took too long"), "{late:?}");
    server.wait_for_dropped(1);
    client.closes();
}

#[test]
fn a_request_that_takes_too_long_in_all_is_a_408() {
    let server = Running::start(Config::new().request_timeout(SHORT).body_rate_min(0));
    let mut client = server.client();
    client.send("POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 10000\r\n\r\n");
    client.socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    // Each byte is progress, so only the time in all ends this.
    let answer = loop {
        let _ = std::io::Write::write(&mut client.socket, b"y");
        let mut answer = [0; 12];
        match std::io::Read::read(&mut client.socket, &mut answer) {
            Ok(count) => break answer[..count].to_vec(),
            Err(error) => {
                assert!(matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut))
            }
        }
    };
    assert_eq!(answer, b"HTTP/1.1 408");
}

#[test]
fn the_body_of_a_response_may_take_longer() {
    let server = Running::start(Config::new().request_timeout(SHORT));
    let mut client = server.client();
    client.send("GET /pieces HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    client.answer_to_head();
    // Another request reaches the limit meanwhile.
    assert_eq!(server.client().get("/slow").status(), "504");
    server.app.gate.add_permits(2);
    assert!(String::from_utf8_lossy(&client.rest()).contains("piece"));
}

#[test]
fn a_body_that_fails_is_cut_off() {
    let server = Running::start(Config::new());
    for path in ["/fails", "/short"] {
        let mut client = server.client();
        client.send(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"));
        let rest = String::from_utf8(client.rest()).unwrap();
        assert!(!rest.ends_with("0\r\n\r\n"), "{rest}");
    }
}
