//! What passes through HAProxy, and when: headers, uploads, events, WebSockets, queues.

use std::{
    io::{Read, Write},
    sync::{Mutex, mpsc},
    time::Duration,
};

use serde_json::json;

use crate::{
    app::{deployed, shop},
    balancer::{Balancer, Host, PATIENCE},
};

/// Returns the configuration with one host for all roles.
fn configuration(host: &Host, more: &[&str]) -> String {
    let mut told = shop();
    told["agent"] = json!(null);
    deployed(&told, &[&["haproxy", "--hosts", &format!("all={}", host.address)], more].concat())
}

const FORGED: &str = "x-forwarded-for: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nx-forwarded-host: other.example\r\n\
    x-forwarded-port: 1\r\nforwarded: for=192.0.2.1\r\nx-real-ip: 192.0.2.1";

#[test]
fn the_client_is_reported_and_cannot_forge_that() {
    let host = Host::named("web");
    let balancer = Balancer::start(&configuration(&host, &[]));
    for method in ["GET", "POST"] {
        balancer.connect().ask(&format!("{method} /x HTTP/1.1\r\ncontent-length: 0\r\n{FORGED}")).expect("an answer");
        let request = host.seen().pop().unwrap();
        let reported =
            ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"].map(|name| request.all(name).join(","));
        assert_eq!(reported, ["127.0.0.1", "http", "shop.example"], "{method}");
        assert_eq!(request.all("host"), ["shop.example"]);
        for name in ["x-forwarded-port", "forwarded", "x-real-ip"] {
            assert!(request.all(name).is_empty(), "{method}: {name}");
        }
    }
}

#[test]
fn what_a_proxy_in_front_reports_is_kept() {
    let host = Host::named("web");
    let balancer = Balancer::start(&configuration(&host, &["--front", "127.0.0.0/8"]));
    for method in ["GET", "POST"] {
        balancer.connect().ask(&format!("{method} /x HTTP/1.1\r\ncontent-length: 0\r\n{FORGED}")).expect("an answer");
        let request = host.seen().pop().unwrap();
        let reported =
            ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"].map(|name| request.all(name).join(","));
        assert_eq!(reported, ["192.0.2.1,127.0.0.1", "https", "other.example"], "{method}");
        assert!(request.all("forwarded").is_empty());
    }
}

#[test]
fn probes_are_not_for_clients() {
    let host = Host::named("web");
    let balancer = Balancer::start(&configuration(&host, &[]));
    let mut client = balancer.connect();
    for path in ["/readyz", "/healthz", "/%72eadyz", "/readyz?x"] {
        assert_eq!(balancer.connect().ask(&format!("GET {path} HTTP/1.1")).expect("an answer").status, 404, "{path}");
    }
    assert_eq!(client.ask("GET /readyz/ HTTP/1.1").expect("an answer").status, 200);
}

#[test]
fn an_upload_passes_while_it_arrives() {
    let host = Host::start(|_, stream| stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").is_ok());
    let balancer = Balancer::start(&configuration(&host, &[]));
    for method in ["POST", "PUT"] {
        let mut client = balancer.connect();
        client.send(&format!("{method} /x HTTP/1.1\r\ncontent-length: 100000\r\nx-unread: 1"));
        client.stream.write_all(b"the beginning").unwrap();
        // The host answers before the rest is sent.
        assert_eq!(client.receive().expect("an answer").status, 200, "{method}");
    }
}

#[test]
fn events_pass_at_once_and_silence_does_not_end_them() {
    let (allow, allowed) = mpsc::channel();
    let allowed = Mutex::new(allowed);
    let host = Host::start(move |_, stream| {
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head).unwrap();
        stream.write_all(b"9\r\ndata: 1\n\n\r\n").unwrap();
        allowed.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        // Longer than the time in which a client must send something.
        let _ = allowed.lock().unwrap().recv_timeout(Duration::from_secs(2));
        stream.write_all(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n").is_ok()
    });
    let balancer = Balancer::start(&configuration(&host, &[]).replace("timeout client 60s", "timeout client 500ms"));
    let mut client = balancer.connect();
    client.send("GET /events HTTP/1.1");
    assert_eq!(client.receive().expect("an answer").status, 200);
    let mut event = [0; 14];
    client.reader.read_exact(&mut event).unwrap();
    assert_eq!(&event, b"9\r\ndata: 1\n\n\r\n");
    allow.send(()).unwrap();
    client.reader.read_exact(&mut event).unwrap();
    assert_eq!(&event, b"9\r\ndata: 2\n\n\r\n");
}

#[test]
fn a_websocket_stays_open_while_it_is_silent() {
    let host = Host::start(|request, stream| {
        assert_eq!((request.all("upgrade"), request.all("connection")), (vec!["websocket"], vec!["upgrade"]));
        // The example of RFC 6455, section 1.3.
        let head = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
            sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let mut word = [0; 4];
        while stream.read_exact(&mut word).is_ok() && stream.write_all(&word).is_ok() {}
        false
    });
    let configuration = configuration(&host, &[]).replace("timeout client 60s", "timeout client 500ms");
    let balancer = Balancer::start(&configuration.replace("timeout server 60s", "timeout server 500ms"));
    let mut client = balancer.connect();
    let key = "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==";
    client.send(&format!("GET /socket HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n{key}"));
    assert_eq!(client.receive().expect("an answer").status, 101);
    let mut word = [0; 4];
    for _ in 0..2 {
        client.stream.write_all(b"ping").unwrap();
        client.reader.read_exact(&mut word).unwrap();
        assert_eq!(&word, b"ping");
        let (_keep, silence) = mpsc::channel::<()>();
        let _ = silence.recv_timeout(Duration::from_millis(1500));
    }
}

#[test]
fn a_request_waits_for_a_slot_as_long_as_the_queue_of_the_pool_allows() {
    let (end, ended) = mpsc::channel::<()>();
    let ended = Mutex::new(ended);
    let host = Host::start(move |_, stream| {
        let _ = ended.lock().unwrap().recv_timeout(PATIENCE);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").is_ok()
    });
    let balancer = Balancer::start(&configuration(&host, &[]));
    let mut clients = [(); 3].map(|()| balancer.connect());
    // The pool `reports` has two slots, and its queue timeout is 0.5 s.
    clients.iter_mut().for_each(|client| client.send("GET /reports/x.pdf HTTP/1.1"));
    let answered = clients.iter_mut().map(|client| {
        client.stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        client.receive()
    });
    let refused: Vec<_> = answered.flatten().collect();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!((refused[0].status, refused[0].header("retry-after")), (503, Some("1")));
    assert_eq!(host.seen().len(), 2);
    drop(end);
}
