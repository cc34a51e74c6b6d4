//! Clients that read or send slowly do not hold what other clients need.
use std::{
    fs::{self, File},
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::support::{Program, until};

const MIB: usize = 1024 * 1024;
/// Limits the time of a small request beside slow clients. A request that waits for a held worker waits for
/// 10 s.
const SMALL_REQUEST_MAX: Duration = Duration::from_secs(5);

fn begin(program: &Program, request: &str) -> TcpStream {
    let mut stream = program.connect();
    write!(stream, "{request}\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("the head can be sent");
    stream
}

/// Sends the head of an upload of 8 MiB and this many bytes of it.
fn begin_upload(program: &Program, target: &str, bytes: usize) -> TcpStream {
    let mut stream = begin(program, &format!("PUT {target} HTTP/1.1\r\nContent-Length: {}", 8 * MIB));
    stream.write_all(&vec![b'x'; bytes]).expect("it can be sent");
    stream
}

/// Returns the body of a response in chunks.
fn joined(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = chunks.windows(2).position(|end| end == b"\r\n").expect("a chunk has a size");
        let size = str::from_utf8(&chunks[..end]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        let (data, rest) = chunks[end + 2..].split_at(size.expect("a size is a number"));
        if data.is_empty() {
            assert_eq!(rest, b"\r\n");
            return body;
        }
        body.extend_from_slice(data);
        chunks = &rest[2..];
    }
}

fn assert_others_are_served(program: &Program) {
    for id in 0..20 {
        let start = Instant::now();
        assert_eq!(program.get(&format!("/ok?id={id}")).body, id.to_string());
        assert!(start.elapsed() < SMALL_REQUEST_MAX, "it took {:?}", start.elapsed());
    }
}

fn status_has(program: &Program, part: &str) -> Option<()> {
    program.get("/status").body.contains(part).then_some(())
}

fn assert_none_was_killed(program: &Program) {
    let counts = program.get("/counts").body;
    assert!(counts.contains("\nkilled 0\n") && counts.contains("\nrefused 0\n"), "{counts}");
}

#[test]
fn readers_that_read_nothing_leave_their_workers_and_get_everything_later() {
    let program = Program::start_with("faults", &[("PIXIE_WORKERS", "1")]);
    for (target, bytes) in [("/big/12", 12 * MIB), ("/lines/600?id=x", 600 * 16_003)] {
        // With a length and in chunks, by HTTP/1.1 and HTTP/1.0.
        let mut readers: Vec<_> = ["1.1", "1.0"]
            .iter()
            .cycle()
            .take(6)
            .map(|version| begin(&program, &format!("GET {target} HTTP/{version}")))
            .collect();
        assert_others_are_served(&program);
        until("all workers are free", || (!program.get("/status").body.contains("\"state\":\"busy\"")).then_some(()));
        // One leaves, the others read on.
        drop(readers.remove(0));
        for mut reader in readers {
            let mut answer = Vec::new();
            reader.read_to_end(&mut answer).expect("it can be read");
            let head = answer.windows(4).position(|end| end == b"\r\n\r\n").expect("it has a head") + 4;
            let is_chunked = String::from_utf8_lossy(&answer[..head]).contains("transfer-encoding: chunked");
            let body = if is_chunked { joined(&answer[head..]) } else { answer.split_off(head) };
            assert_eq!(body.len(), bytes, "{target}");
            if target.starts_with("/lines") {
                let number = |line: &[u8]| String::from_utf8_lossy(line).split_whitespace().nth(1)?.parse().ok();
                let lines = body.chunks(16_003).map(number);
                assert!(lines.eq((0..600).map(Some)), "each line is in its place");
            }
        }
    }
    assert_none_was_killed(&program);
}

#[test]
fn streams_take_no_workers_from_other_routes() {
    let program = Program::start_with("faults", &[("PIXIE_WORKERS", "1")]);
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut streams: Vec<_> = (0..4)
        .map(|number| {
            let note = folder.path().join(number.to_string());
            begin(&program, &format!("GET /flood?note={} HTTP/1.1", note.display()))
        })
        .collect();
    for stream in &mut streams {
        stream.read_exact(&mut [0; 1024]).expect("each of the streams runs");
    }
    assert_others_are_served(&program);
    assert_none_was_killed(&program);
}

#[test]
fn a_worker_that_a_slow_client_holds_is_shown_and_given_up_when_others_wait() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let log = folder.path().join("log");
    let file = File::create(&log).expect("a file can be made");
    let program = Program::start_to("faults", &[("PIXIE_WORKERS", "1")], file.into());
    // More than the server stores for one response.
    let mut held = begin(&program, "GET /big/40 HTTP/1.1");
    until("it is held", || status_has(&program, "\"held_for\":0."));
    assert_others_are_served(&program);
    let log = fs::read_to_string(log).expect("the log can be read");
    assert!(log.contains("a worker is held by a slow client") && log.contains("pool=default held=1"), "{log}");
    assert!(log.contains("cut off the response of a slow client"), "{log}");
    let mut answer = Vec::new();
    let _ = held.read_to_end(&mut answer);
    assert!(answer.len() < 40 * MIB, "it is cut off");
    // Alone, the client may take its time.
    let mut alone = begin(&program, "GET /big/40 HTTP/1.1");
    until("it is held", || status_has(&program, "\"held_for\":0."));
    answer.clear();
    alone.read_to_end(&mut answer).expect("it can be read");
    assert!(answer.len() > 40 * MIB, "{}", answer.len());
    assert_none_was_killed(&program);
}

#[test]
fn uploads_that_have_not_begun_occupy_no_workers() {
    let program = Program::start_with("faults", &[("PIXIE_WORKERS", "1")]);
    let stalled = [0, 1, 60_000].map(|bytes| (begin_upload(&program, "/upload/short", bytes), 8 * MIB - bytes));
    // Longer than the deadline, which does not count yet.
    let status = program.get("/sleep/1200").status;
    assert_eq!(status, 200);
    assert_others_are_served(&program);
    for (mut upload, rest) in stalled {
        upload.write_all(&vec![b'x'; rest]).expect("the rest can be sent");
        let mut answer = String::new();
        let _ = upload.read_to_string(&mut answer);
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(&(8 * MIB).to_string()), "{answer}");
    }
    assert_none_was_killed(&program);
}

#[test]
fn an_upload_that_stalls_is_a_408_and_its_worker_goes_on() {
    let program = Program::start_with("faults", &[("PIXIE_WORKERS", "1")]);
    let pid = program.get("/status").body;
    let pid = pid.split("\"pid\":").nth(1).and_then(|rest| rest.split(',').next()).expect("it has a worker").to_owned();
    for bytes in [70_000, 300_000, 2 * MIB] {
        let mut upload = begin_upload(&program, "/upload/short", bytes);
        let mut answer = String::new();
        let _ = upload.read_to_string(&mut answer);
        assert!(answer.starts_with("HTTP/1.1 408"), "{bytes}: {answer}");
        assert_eq!(program.get("/ok?id=alive").body, "alive");
    }
    assert_none_was_killed(&program);
    assert!(program.get("/status").body.contains(&format!("\"pid\":{pid},")), "it is the same worker");
}
