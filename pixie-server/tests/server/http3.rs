//! HTTP/3 over real sockets, with a client that we did not write: aioquic, in `http3_client.py`.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::UdpSocket,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use pixie_server::{Config, Listen, Listener, Protocol, Tls};
use rcgen::{KeyPair, PublicKeyData};
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;

use crate::{
    harness::{Running, malformed_heads},
    tls::Authority,
};

const SHORT: Duration = Duration::from_millis(80);
const PATIENCE: Duration = Duration::from_secs(10);
/// The grace period of a stop by default.
const GRACE: Duration = Duration::from_secs(10);

fn server(authority: &Authority, config: Config) -> Running {
    Running::on(Listener::open([Listen::tcp("127.0.0.1", 0).tls(authority.tls("localhost")).http3()]).unwrap(), config)
}

/// aioquic in a process of its own.
struct Peer {
    process: Child,
    /// `None` after the end.
    steps: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    /// Returns `None` if aioquic is not installed. That is an error where `.ci/run` installs it.
    fn connect(server: &Running, authority: &Authority) -> Option<Peer> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = root.join("../target/aioquic/bin/python");
        if !python.exists() {
            let fix = "aioquic is missing: python3 -m venv target/aioquic && target/aioquic/bin/pip install aioquic";
            assert!(std::env::var_os("CI").is_none(), "{fix}");
            eprintln!("skipped: {fix}");
            return None;
        }
        let mut process = Command::new(python)
            .arg(root.join("tests/server/http3_client.py"))
            .arg(server.address.port().to_string())
            .arg(authority.path("ca.pem"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (steps, answers) = (process.stdin.take(), BufReader::new(process.stdout.take().unwrap()));
        Some(Peer { process, steps, answers })
    }

    /// Takes a step, which is JSON, and returns the answer as JSON.
    fn step(&mut self, step: &str) -> String {
        writeln!(self.steps.as_ref().unwrap(), "{step}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        assert!(!answer.is_empty(), "the client has failed at {step}");
        answer
    }

    /// Returns whether the handshake succeeds. The client has ended then.
    fn connects(mut self) -> bool {
        self.steps = None;
        self.process.wait().unwrap().success()
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.process.id().to_string()]).status();
        assert!(status.unwrap().success(), "kill -{name}");
    }

    fn get(&mut self, path: &str) -> String {
        self.step(&format!(r#"{{"do": "ask", "path": "{path}"}}"#))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It then closes its connection.
        self.steps = None;
        let _ = self.process.wait();
    }
}

#[track_caller]
fn assert_has(answer: &str, parts: &[&str]) {
    for part in parts {
        assert!(answer.contains(part), "{part} is not in {answer}");
    }
}

#[test]
fn requests_and_bodies_of_any_size_are_served() {
    let authority = Authority::new();
    let server = server(&authority, Config::new());
    let Some(mut peer) = Peer::connect(&server, &authority) else { return };
    assert_has(
        &peer.get("/x"),
        &[r#"[":status", "200"]"#, r#""text": "you asked for /x""#, r#""ended": true"#, "date"],
    );
    assert_has(&peer.get("/ends"), &[r#""text": "true""#]);
    assert_has(&peer.get("/large"), &[r#""bytes": 1048576"#, r#""ended": true"#]);
    assert_has(&peer.step(r#"{"do": "ask", "path": "/body", "method": "POST", "bytes": 5}"#), &["5 bytes"]);
    let large = r#"{"do": "ask", "path": "/body", "method": "POST", "bytes": 3000000}"#;
    assert_has(&peer.step(large), &["3000000 bytes"]);
    assert_has(&peer.get("/tls"), &[r#"server_name: Some(\"localhost\")"#]);
    assert_eq!(server.counters.speaking(Protocol::Http3), 1);
    assert_eq!((server.counters.open(), server.counters.handshakes()), (1, 1));
    drop(peer);
    server.stop();
}

#[test]
fn a_response_that_fails_is_reset() {
    let authority = Authority::new();
    let server = server(&authority, Config::new());
    let Some(mut peer) = Peer::connect(&server, &authority) else { return };
    for path in ["/fails", "/short", "/error", "/panic"] {
        // H3_INTERNAL_ERROR.
        assert_has(&peer.get(path), &[r#""ended": false"#, r#""reset": 258"#, r#""closed": null"#]);
    }
    assert_has(&peer.get("/x"), &["you asked"]);
    drop(peer);
    server.stop();
}

#[test]
fn heads_have_the_limits_of_the_other_versions() {
    let authority = Authority::new();
    let server = server(&authority, Config::new().head_bytes_max(1000).headers_max(5).uri_bytes_max(300));
    let Some(mut peer) = Peer::connect(&server, &authority) else { return };
    assert_has(&peer.get(&format!("/{}", "x".repeat(400))), &[r#"[":status", "414"]"#, "problem+json"]);
    let with = |head: &str| format!(r#"{{"do": "ask", "path": "/x", "head": [{head}]}}"#);
    let many = [r#"["a", "b"]"#; 6].join(", ");
    assert_has(&peer.step(&with(&many)), &[r#"[":status", "431"]"#, "problem+json"]);
    let large = |bytes: usize| format!(r#"["a", "{}"]"#, "a".repeat(bytes));
    assert_has(&peer.step(&with(&large(1000))), &[r#"[":status", "431"]"#, "problem+json"]);
    // h3 refuses this one.
    assert_has(&peer.step(&with(&large(1990))), &[r#"[":status", "431"]"#]);
    // H3_EXCESSIVE_LOAD, because h3 would keep all of it.
    assert_has(&peer.step(&with(&large(30000))), &[r#""head": []"#, r#""reset": 263"#]);
    // H3_MESSAGE_ERROR.
    for head in [r#"["connection", "close"]"#, r#"["te", "gzip"]"#, r#"["content-length", "x"]"#] {
        assert_has(&peer.step(&with(head)), &[r#""reset": 270"#]);
    }
    assert_has(&peer.step(&with(r#"["content-length", "0"]"#)), &["you asked"]);
    // With headers of HTTP/1.1 in a response, clients end the connection.
    assert_has(&peer.get("/of-http1"), &["unbound", r#""closed": null"#]);
    drop(peer);
    server.stop();
}

/// Returns a HEADERS frame in hexadecimal digits, with literals (RFC 9204, section 4.5.6).
fn headers_frame(fields: &[(&str, &str)]) -> String {
    let mut section = vec![0, 0];
    for (name, value) in fields {
        match name.len() {
            short @ 0..7 => section.push(0x20 | short as u8),
            long => section.extend([0x27, long as u8 - 7]),
        }
        section.extend_from_slice(name.as_bytes());
        section.push(value.len() as u8);
        section.extend_from_slice(value.as_bytes());
    }
    let length = 0x4000 | section.len() as u16;
    [&[1], &length.to_be_bytes()[..], &section].concat().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Sends frames on a stream of their own, and returns what the server answers.
fn send(peer: &mut Peer, frames: &str) -> String {
    let begun = peer.step(&format!(r#"{{"do": "raw", "hex": "{frames}", "end": true}}"#));
    let stream = begun.split([':', '}']).nth(1).unwrap().trim().to_owned();
    peer.step(&format!(r#"{{"do": "finish", "stream": {stream}}}"#))
}

#[test]
fn a_malformed_request_resets_its_stream() {
    let authority = Authority::new();
    let server = server(&authority, Config::new());
    let Some(mut peer) = Peer::connect(&server, &authority) else { return };
    let upload = [(":method", "POST"), (":scheme", "https"), (":authority", "localhost"), (":path", "/body")];
    let upload = headers_frame(&upload) + "000178";
    assert_has(&send(&mut peer, &upload), &["1 bytes", r#""reset": null"#]);
    for head in malformed_heads() {
        let answer = send(&mut peer, &headers_frame(&head));
        // H3_MESSAGE_ERROR.
        assert!(answer.contains(r#""head": []"#) && answer.contains(r#""reset": 270"#), "{head:?}: {answer}");
    }
    for trailer in [(":path", "/"), (":unknown", ""), ("connection", "close"), ("te", "gzip")] {
        let answer = send(&mut peer, &(upload.clone() + &headers_frame(&[trailer])));
        assert!(answer.contains("Malformed"), "{trailer:?}: {answer}");
    }
    assert_has(&send(&mut peer, &(upload + &headers_frame(&[("x", "y")]))), &["1 bytes"]);
    drop(peer);
    server.stop();
}

#[test]
fn a_stop_tells_the_last_request_and_serves_it() {
    let authority = Authority::new();
    let server = server(&authority, Config::new().linger(SHORT));
    let Some(mut peer) = Peer::connect(&server, &authority) else { return };
    peer.get("/x");
    let begun = peer.step(r#"{"do": "begin", "path": "/slow"}"#);
    assert_has(&begun, &[r#""stream": 4"#]);
    server.wait_for_slow(1);
    server.shutdown.trigger();
    assert_has(&peer.step(r#"{"do": "goaway"}"#), &["[404"]);
    server.app.gate.add_permits(1);
    assert_has(&peer.step(r#"{"do": "finish", "stream": 4}"#), &[r#""text": "slow""#, r#""ended": true"#]);
    assert_has(&peer.step(r#"{"do": "closed"}"#), &[r#""closed": 256"#]);
    assert_has(&peer.step(r#"{"do": "goaway"}"#), &["[404, 8]"]);
    assert_eq!(server.stop().cut, 0);
}

#[test]
fn a_client_that_has_vanished_does_not_delay_a_stop() {
    let authority = Authority::new();
    let half_a_head = r#"{"do": "raw", "hex": "0120"}"#;
    let ask = |path: &str| format!(r#"{{"do": "ask", "path": "{path}"}}"#);
    // A client that has vanished does not confirm the last response, and does not end its head.
    for steps in [vec![], vec![ask("/x")], vec![ask("/x"), half_a_head.to_owned()]] {
        let server = server(&authority, Config::new().linger(SHORT));
        let Some(mut peer) = Peer::connect(&server, &authority) else { return };
        peer.step(r#"{"do": "stall"}"#);
        steps.iter().for_each(|step| drop(peer.step(step)));
        peer.signal("STOP");
        let begun = Instant::now();
        assert_eq!(server.stop().cut, 0, "{steps:?}");
        assert!(begun.elapsed() < GRACE / 2, "{steps:?} took {:?}", begun.elapsed());
        peer.signal("KILL");
    }
}

#[test]
fn a_stop_waits_for_the_request_of_a_client_that_is_silent_for_a_moment() {
    let authority = Authority::new();
    let server = server(&authority, Config::new().linger(SHORT));
    let Some(mut peer) = Peer::connect(&server, &authority) else { return };
    peer.get("/x");
    peer.step(r#"{"do": "begin", "path": "/slow"}"#);
    server.wait_for_slow(1);
    server.shutdown.trigger();
    assert_has(&peer.step(r#"{"do": "goaway"}"#), &["[404"]);
    peer.signal("STOP");
    // Longer than a client may be silent after its last request.
    std::thread::sleep(Duration::from_millis(1500));
    peer.signal("CONT");
    server.app.gate.add_permits(1);
    assert_has(&peer.step(r#"{"do": "finish", "stream": 4}"#), &[r#""text": "slow""#, r#""ended": true"#]);
    assert_eq!(server.stop().cut, 0);
}

#[test]
fn a_request_that_outlasts_the_grace_is_cut() {
    let authority = Authority::new();
    let server = server(&authority, Config::new().shutdown_grace(SHORT));
    let Some(mut peer) = Peer::connect(&server, &authority) else { return };
    peer.step(r#"{"do": "begin", "path": "/slow"}"#);
    server.wait_for_slow(1);
    server.shutdown.trigger();
    assert_has(&peer.step(r#"{"do": "closed"}"#), &["closed"]);
    server.wait_for_dropped(1);
    assert_eq!(server.stop().cut, 1);
}

#[test]
fn a_canceled_request_ends_its_handler() {
    let authority = Authority::new();
    let server = server(&authority, Config::new());
    let Some(mut peer) = Peer::connect(&server, &authority) else { return };
    peer.step(r#"{"do": "begin", "path": "/slow", "method": "POST", "bytes": 1, "open": true}"#);
    server.wait_for_slow(1);
    peer.step(r#"{"do": "cancel", "stream": 0}"#);
    server.wait_for_dropped(1);
    assert_has(&peer.get("/x"), &["you asked"]);
    drop(peer);
    server.stop();
}

#[test]
fn responses_over_tcp_announce_http3_while_it_is_served() {
    let authority = Authority::new();
    let server = server(&authority, Config::new());
    let announced = format!("\r\nalt-svc: h3=\":{}\"; ma=86400\r\n", server.address.port());
    for version in ["--http1.1", "--http2"] {
        assert_has(&curl(&server, &authority, version), &[&announced]);
    }
    let Some(mut peer) = Peer::connect(&server, &authority) else { return };
    assert!(!peer.get("/x").contains("alt-svc"));
    drop(peer);
    server.stop();
    let plain = Running::on(
        Listener::open([Listen::tcp("127.0.0.1", 0).tls(authority.tls("localhost"))]).unwrap(),
        Config::new(),
    );
    assert!(!curl(&plain, &authority, "--http2").contains("alt-svc"));
    plain.stop();
}

/// Returns the head of a response over TCP, in lower case.
fn curl(server: &Running, authority: &Authority, version: &str) -> String {
    let port = server.address.port();
    let output = Command::new("curl")
        .args(["-sSi", "--max-time", "10", version, "--cacert"])
        .arg(authority.path("ca.pem"))
        .args(["--resolve", &format!("localhost:{port}:127.0.0.1"), &format!("https://localhost:{port}/x")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().to_ascii_lowercase()
}

#[test]
fn a_client_proves_its_address_when_there_are_many_handshakes() {
    let authority = Authority::new();
    // A quarter of one handshake is reached at once.
    let server = server(&authority, Config::new().handshakes_max(1));
    let Some(mut peer) = Peer::connect(&server, &authority) else { return };
    assert_has(&peer.get("/x"), &["you asked", r#""retries": 1"#]);
    assert_eq!((server.counters.accepted(), server.counters.handshakes()), (1, 1));
    drop(peer);
    server.stop();
}

#[test]
fn slow_clients_reach_the_timeouts_of_the_other_versions() {
    let authority = Authority::new();
    let config = Config::new().header_timeout(SHORT * 4).body_timeout(SHORT).write_timeout(SHORT * 2);
    let server = server(&authority, config.http3_send_window(16 * 1024));
    let Some(mut peer) = Peer::connect(&server, &authority) else { return };
    let slow_body = r#"{"do": "ask", "path": "/body", "method": "POST", "bytes": 1, "open": true}"#;
    assert_has(&peer.step(slow_body), &[r#"[":status", "408"]"#, "too slow"]);
    // A head that stays incomplete is reset with H3_INTERNAL_ERROR, or refused.
    let begun = peer.step(r#"{"do": "raw", "hex": "0120"}"#);
    assert_has(&begun, &[r#""stream": 4"#]);
    let ended = peer.step(r#"{"do": "finish", "stream": 4}"#);
    assert_has(&ended, &[r#""head": []"#]);
    // The client takes 1 MiB, and then no more.
    peer.step(r#"{"do": "stall"}"#);
    let endless = peer.step(r#"{"do": "ask", "path": "/endless"}"#);
    assert_has(&endless, &[r#""ended": false"#, r#""reset": 258"#]);
    drop(peer);
    server.stop();
}

#[test]
fn an_idle_connection_is_closed_with_goaway() {
    let authority = Authority::new();
    let server = server(&authority, Config::new().idle_timeout(SHORT));
    let Some(mut peer) = Peer::connect(&server, &authority) else { return };
    peer.get("/x");
    assert_has(&peer.step(r#"{"do": "closed"}"#), &[r#""closed": 256"#]);
    assert_has(&peer.step(r#"{"do": "goaway"}"#), &["[4]"]);
    server.stop();
}

#[test]
fn a_client_that_cancels_too_many_requests_loses_its_connection() {
    let authority = Authority::new();
    let server = server(&authority, Config::new().http2_cancels_max(2));
    let Some(mut peer) = Peer::connect(&server, &authority) else { return };
    for stream in [0, 4, 8] {
        peer.step(r#"{"do": "begin", "path": "/slow", "method": "POST", "bytes": 1, "open": true}"#);
        server.wait_for_slow(1);
        peer.step(&format!(r#"{{"do": "cancel", "stream": {stream}}}"#));
        server.wait_for_dropped(1);
    }
    assert_has(&peer.get("/x"), &[r#""head": []"#, r#""closed": 256"#]);
    server.stop();
}

#[test]
fn frames_that_h3_would_keep_end_the_stream_or_the_connection() {
    let authority = Authority::new();
    let server = server(&authority, Config::new());
    let Some(mut peer) = Peer::connect(&server, &authority) else { return };
    // HEADERS of 2^30 bytes: H3_EXCESSIVE_LOAD.
    peer.step(r#"{"do": "raw", "hex": "01c000000040000000"}"#);
    assert_has(&peer.step(r#"{"do": "finish", "stream": 0}"#), &[r#""reset": 263"#]);
    assert_has(&peer.get("/x"), &["you asked"]);
    drop(peer);
    server.stop();
}

#[test]
fn new_connections_get_the_new_certificate() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (certificate, key) = authority.issue("localhost");
    let tls = Tls::files(&certificate, &key).check_every(Duration::from_millis(20));
    let server = Running::on(Listener::open([Listen::tcp("127.0.0.1", 0).tls(tls).http3()]).unwrap(), Config::new());
    let Some(mut old) = Peer::connect(&server, &authority) else { return };
    old.get("/x");
    let (new_certificate, new_key) = other.make("localhost");
    fs::write(certificate, new_certificate).unwrap();
    fs::write(key, new_key).unwrap();
    let late = Instant::now() + PATIENCE;
    while !Peer::connect(&server, &other).unwrap().connects() {
        assert!(Instant::now() < late, "the new certificate is not used");
    }
    assert_has(&old.get("/x"), &["you asked"]);
    drop(old);
    server.stop();
}

#[test]
fn a_new_process_takes_the_port_over_when_the_old_one_has_served_its_requests() {
    let authority = Authority::new();
    let listen = || Listen::tcp("127.0.0.1", 0).tls(authority.tls("localhost")).http3();
    let listener = Listener::open([listen()]).unwrap();
    let passed = listener.try_clone().unwrap();
    let old = Running::on(listener, Config::new());
    let Some(mut peer) = Peer::connect(&old, &authority) else { return };
    peer.step(r#"{"do": "begin", "path": "/slow"}"#);
    old.wait_for_slow(1);
    let new = Running::on(Listener::open_beside([listen()], Some(passed)).unwrap(), Config::new());
    old.shutdown.hand_over();
    peer.step(r#"{"do": "goaway"}"#);
    assert!(!curl(&new, &authority, "--http2").contains("alt-svc"));
    old.app.gate.add_permits(1);
    assert_has(&peer.step(r#"{"do": "finish", "stream": 0}"#), &[r#""text": "slow""#]);
    assert_eq!(old.stop().cut, 0);
    let late = Instant::now() + PATIENCE;
    while !curl(&new, &authority, "--http2").contains("alt-svc") {
        assert!(Instant::now() < late, "HTTP/3 is not served again");
    }
    assert_has(&Peer::connect(&new, &authority).unwrap().get("/x"), &["you asked"]);
    new.stop();
}

#[test]
fn chromium_speaks_http3() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue("localhost");
    let listen = Listen::tcp("127.0.0.1", 0).tls(Tls::files(certificate, &key)).http3();
    let server = Running::on(Listener::open([listen]).unwrap(), Config::new());
    let origin = format!("localhost:{}", server.address.port());
    let key = KeyPair::from_pem(&fs::read_to_string(key).unwrap()).unwrap();
    let sha256 = TLS13_AES_128_GCM_SHA256.tls13().unwrap().common.hash_provider;
    let known = BASE64_STANDARD.encode(sha256.hash(&key.subject_public_key_info()));
    let browser = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--dump-dom"])
        .arg(format!("--user-data-dir={}", authority.path("profile").display()))
        .arg(format!("--origin-to-force-quic-on={origin}"))
        .arg(format!("--ignore-certificate-errors-spki-list={known}"))
        .args(["--host-resolver-rules=MAP localhost 127.0.0.1", "--timeout=30000"])
        .arg(format!("https://{origin}/x"))
        .output();
    let Ok(output) = browser else {
        let fix = "chromium is missing: install Debian's `chromium`";
        assert!(std::env::var_os("CI").is_none(), "{fix}");
        return eprintln!("skipped: {fix}");
    };
    assert_has(&String::from_utf8_lossy(&output.stdout), &["you asked for /x"]);
    assert!(server.counters.speaking(Protocol::Http3) > 0);
    assert_eq!(server.counters.speaking(Protocol::Http2), 0);
    server.stop();
}

#[test]
fn what_http3_cannot_have_is_refused() {
    let authority = Authority::new();
    let check = |listen: Listen, fix: &str| {
        let error = Listener::open([listen.http3()]).unwrap_err().to_string();
        assert!(error.contains(fix) && error.contains("`http3`"), "{error}");
    };
    let secured = || Listen::tcp("127.0.0.1", 0).tls(authority.tls("localhost"));
    check(Listen::tcp("127.0.0.1", 0), "add `tls`");
    check(Listen::unix("/unused").tls(authority.tls("localhost")), "is for TCP");
    check(secured().reuse_port(), "remove `reuse_port`");
    check(secured().proxy_protocol(["10.0.0.1"]), "remove `proxy_protocol`");
    // Another test may have the TCP port of the same number.
    let mut refusals = (0..20).map(|_| {
        let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
        let listen = Listen::tcp("127.0.0.1", taken.local_addr().unwrap().port()).tls(authority.tls("localhost"));
        Listener::open([listen.http3()]).unwrap_err().to_string()
    });
    let of_udp = refusals.find(|error| error.contains("another program uses this UDP port"));
    assert!(of_udp.is_some_and(|error| error.contains("`http3`")));
}
