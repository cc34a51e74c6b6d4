//! The rows of the failure table that concern pools, one test each, on a real program with real workers.
//!
//! Rows of HTTP itself are tested where they are decided: in pixie-server, and in `tests/values/app.rs`.
use std::{io::Read, io::Write, net::TcpStream};

use crate::support::{Answer, Program, until};

fn faults() -> Program {
    Program::start("faults")
}

/// Sends a GET, and returns what arrived and whether the response was complete.
fn streamed(faults: &Program, path: &str) -> (String, bool) {
    let mut stream = faults.connect();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("the request can be sent");
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while !text.ends_with("0\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return (text, false),
            Ok(count) => text += &String::from_utf8_lossy(&buffer[..count]),
        }
    }
    (text, true)
}

fn send(faults: &Program, request: &str) -> TcpStream {
    let mut stream = faults.connect();
    write!(stream, "{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("it can be sent");
    stream
}

fn receive(mut stream: TcpStream) -> Answer {
    Answer::read(&mut stream)
}

fn ask(faults: &Program, request: &str) -> Answer {
    receive(send(faults, request))
}

fn is_alive(faults: &Program) {
    assert_eq!(faults.get("/ok?id=alive").body, "alive");
}

fn says_when_to_come_again(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    let seconds = answer.header("retry-after").and_then(|seconds| seconds.parse::<u32>().ok());
    assert!(seconds.is_some_and(|seconds| (1..=30).contains(&seconds)), "{answer:?}");
}

#[test]
fn a_panic_is_a_500() {
    let faults = faults();
    assert_eq!(faults.get("/panic").status, 500);
    is_alive(&faults);
}

#[test]
fn a_worker_that_exited_before_the_head_is_a_502() {
    let faults = faults();
    for path in ["/segv", "/abort", "/overflow", "/exit"] {
        assert_eq!(faults.get(path).status, 502, "{path}");
        is_alive(&faults);
    }
}

#[test]
fn a_worker_that_exited_after_the_head_cuts_the_stream() {
    let faults = faults();
    let (text, is_whole) = streamed(&faults, "/broken");
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("a beginning without an end") && !is_whole, "{text}");
    is_alive(&faults);
}

#[test]
fn a_handler_that_failed_after_the_head_cuts_the_stream() {
    let faults = faults();
    let (text, is_whole) = streamed(&faults, "/cut/error");
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("the beginning") && !is_whole, "{text}");
    is_alive(&faults);
}

#[test]
fn a_stream_that_stands_still_is_cut() {
    let faults = faults();
    let (text, is_whole) = streamed(&faults, "/cut/stall");
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("the beginning") && !is_whole, "{text}");
    is_alive(&faults);
}

#[cfg(feature = "http2")]
#[test]
fn a_stream_of_a_worker_that_is_cut_resets_its_http2_stream() {
    let faults = faults();
    for path in ["/broken", "/cut/error", "/cut/stall"] {
        let error = crate::h2_client::get(faults.port, path, &[], || ()).expect_err("it does not end cleanly");
        assert!(error.is_reset(), "{path}: {error}");
    }
    is_alive(&faults);
}

#[test]
fn a_worker_beyond_its_memory_is_a_502() {
    let faults = faults();
    assert_eq!(faults.get("/oom").status, 502);
    is_alive(&faults);
}

#[test]
fn a_worker_that_broke_the_protocol_is_a_502() {
    let faults = faults();
    assert_eq!(faults.get("/lies").status, 502);
    is_alive(&faults);
}

#[test]
fn a_deadline_is_a_504() {
    let faults = faults();
    assert_eq!(faults.get("/loop").status, 504);
    is_alive(&faults);
}

#[test]
fn a_job_beyond_its_cpu_time_is_a_504() {
    let faults = faults();
    assert_eq!(faults.get("/burn").status, 504);
    is_alive(&faults);
}

/// Keeps the only worker of the narrow pool busy for two seconds while `ask` runs.
fn with_narrow_pool_held(ask: impl FnOnce(&Program)) {
    let (faults, folder) = (faults(), tempfile::tempdir().expect("a folder for the note"));
    let note = folder.path().join("note");
    let held = send(&faults, &format!("GET /narrow/hold?note={}", note.display()));
    until("the worker is held", || note.exists().then_some(()));
    ask(&faults);
    assert_eq!(receive(held).status, 200);
    is_alive(&faults);
}

#[test]
fn a_full_queue_is_a_503_that_says_when_to_come_again() {
    with_narrow_pool_held(|faults| {
        let answers = [(); 4].map(|()| send(faults, "GET /narrow/ok?id=never")).map(receive);
        answers.iter().for_each(says_when_to_come_again);
        assert!(answers.iter().any(|answer| answer.body.contains("too many requests wait")), "{answers:?}");
    });
}

#[test]
fn a_request_that_waited_too_long_is_a_503_that_says_when_to_come_again() {
    with_narrow_pool_held(|faults| {
        let waited = faults.get("/narrow/ok?id=never");
        says_when_to_come_again(&waited);
        assert!(waited.body.contains("no worker was free in time"), "{waited:?}");
    });
}

#[test]
fn a_pool_whose_workers_cannot_start_is_a_503_that_says_when_to_come_again() {
    let folder = tempfile::tempdir().expect("a folder for the flag");
    let flag = folder.path().join("flag");
    let variables = [
        ("PIXIE_FAULTS_FLAG", flag.to_str().expect("the path is text")),
        ("PIXIE_POOL_DEFAULT", "size=1 spares=0 queue_timeout=30s"),
    ];
    let faults = Program::start_with("faults", &variables);
    std::fs::write(&flag, "").expect("the flag can be raised");
    let mark = folder.path().join("mark");
    assert_eq!(faults.get(&format!("/once/never?id={}", mark.display())).status, 502);
    says_when_to_come_again(&faults.get("/ok?id=refused"));
    std::fs::remove_file(&flag).expect("the flag can be taken down");
    until("the pool has recovered", || (faults.get("/ok?id=again").status == 200).then_some(()));
}

#[test]
fn a_repeat_crash_is_the_502_that_its_crash_would_be() {
    let faults = faults();
    let exited =
        || faults.get("/counts").body.lines().find_map(|line| line.strip_prefix("exited ")?.parse::<u64>().ok());
    // The first request crashes two workers. After that the request is refused, so no worker crashes.
    assert_eq!(faults.get("/abort?file=bad").status, 502);
    until("both exits are counted", || (exited() == Some(2)).then_some(()));
    for _ in 0..3 {
        assert_eq!(faults.get("/abort?file=bad").status, 502);
    }
    assert_eq!(exited(), Some(2));
    is_alive(&faults);
}

#[test]
fn only_what_may_run_twice_is_given_to_a_second_worker() {
    let (faults, folder) = (faults(), tempfile::tempdir().expect("a folder for the marks"));
    let cases = [("GET /once", 200), ("POST /once", 502), ("POST /once/idempotent", 200), ("GET /once/never", 502)];
    for (number, (request, status)) in cases.into_iter().enumerate() {
        let mark = folder.path().join(number.to_string());
        let answer = ask(&faults, &format!("{request}?id={}", mark.display()));
        assert_eq!(answer.status, status, "{request}: {}", answer.body);
        assert_eq!(status == 200, answer.body == "the second time", "{request}");
    }
}

#[test]
fn a_sandboxed_handler_that_reaches_out_is_refused_and_the_next_request_is_fine() {
    let faults = faults();
    let deeds = [
        ("open-file", "PermissionDenied"),
        ("connect", "PermissionDenied"),
        ("exec", "PermissionDenied"),
        ("fork-bomb", "PermissionDenied"),
        ("huge-file", "FileTooLarge"),
    ];
    for (deed, said) in deeds {
        let answer = faults.get(&format!("/sandboxed/{deed}"));
        assert_eq!((answer.status, answer.body.as_str()), (200, said), "{deed}");
        assert_eq!(faults.get("/sandboxed/ok?id=alive").body, "alive", "after {deed}");
    }
    assert_eq!(faults.get("/sandboxed/oom").status, 502);
    assert_eq!(faults.get("/sandboxed/ok?id=alive").body, "alive");
}
