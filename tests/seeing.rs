//! What an operator sees: the status page, and log lines about workers that ended. Other clients do not see
//! the status page.
#[path = "programs/support.rs"]
mod support;

use std::{
    hint::black_box,
    io::{BufRead, Read, Write},
    process::Stdio,
    thread,
    time::Duration,
};

use pixie_web::{App, RequestId, Route, TestClient};
use serde_json::Value;
use support::{Program, until};

const DEADLINE: Duration = Duration::from_secs(2);

fn app() -> App {
    App::new()
        .route(Route::get("/ok").name("fine").pool(|_| "ok").pool("watched"))
        .route(Route::get("/id").name("own_id").pool(|request| request.id().map(RequestId::to_string)).pool("watched"))
        // With POST, so that a crash is not retried.
        .route(Route::post("/abort").name("aborts").pool(|_| -> String { std::process::abort() }).pool("watched"))
        .route(Route::post("/spin").name("spins").pool(|_| -> String { spin() }).pool("watched").deadline(DEADLINE))
        .route(Route::get("/sync").name("inline").sync(|request| request.id().map(RequestId::to_string)))
        .slow_after(Duration::from_millis(20))
        .status("/status")
        .operators(|request| request.header("x-operator") == Some("yes"))
}

fn spin() -> ! {
    loop {
        black_box(0);
    }
}

pixie_web::test_worker!(app);

fn client() -> TestClient {
    app().test_with_workers(1).expect("the app fits together")
}

fn status(client: &TestClient) -> Value {
    let text = client.get("/status").header("x-operator", "yes").send().assert_status(200).text();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn the_status_shows_what_runs_for_whom_and_what_has_happened() {
    let client = client();
    client.get("/ok").send().assert_status(200);
    client.post("/abort").send().assert_status(502);
    thread::scope(|scope| {
        scope.spawn(|| client.post("/spin").header("x-request-id", "seen-7").send().assert_status(504));
        let shown = until("the request is seen in its worker", || {
            let shown = status(&client)["pools"][0].clone();
            let is_it = |worker: &&Value| worker["request_id"] == "seen-7";
            let worker = shown["workers"].as_array()?.iter().find(is_it)?.clone();
            Some((shown, worker))
        });
        let (pool, worker) = shown;
        assert_eq!((&pool["name"], &pool["size"], &pool["busy"]), (&"watched".into(), &1.into(), &1.into()), "{pool}");
        assert_eq!((&worker["state"], &worker["label"]), (&"busy".into(), &"spins".into()), "{worker}");
        assert!(worker["pid"].as_u64().is_some_and(|pid| pid != u64::from(std::process::id())), "{worker}");
        assert!(worker["running_for"].as_f64() <= worker["age"].as_f64(), "{worker}");
        assert!(worker["memory"].as_u64().is_some_and(|bytes| bytes > 100_000), "{worker}");
    });
    let counts = until("the kill is counted", || {
        let counts = status(&client)["pools"][0]["counts"].clone();
        (counts["kills"]["deadline"] == 1).then_some(counts)
    });
    assert_eq!(counts["exits"], serde_json::json!({ "SIGABRT": 1 }), "{counts}");
    // On a busy machine other requests are slow, too.
    assert!(counts["slow"].as_u64() >= Some(1), "{counts}");
}

#[test]
fn whoever_is_no_operator_does_not_see_the_status() {
    let client = client();
    client.get("/ok").send().assert_status(200);
    let answer = client.get("/status").header("x-operator", "no").send().assert_status(403);
    assert!(!answer.text().contains("watched"));
}

#[test]
fn a_request_of_a_pool_route_has_an_id_that_it_may_bring_along() {
    let client = client();
    let answer = client.get("/id").header("x-request-id", "7b1f-2").send().assert_header("x-request-id", "7b1f-2");
    answer.assert_text("7b1f-2");
    let made = client.get("/id").send();
    assert_eq!(made.header("x-request-id"), Some(&*made.text()));
    let other = client.get("/id").header("x-request-id", "no id\tat all").send();
    assert!(other.text() != made.text() && !other.text().contains(' '), "{}", other.text());
    let sync = client.get("/sync").header("x-request-id", "7b1f-2").send();
    assert_eq!(sync.header("x-request-id"), None, "only pool routes, unless the app asks for more");
    let client = app().request_ids(true).test_with_workers(1).expect("the app fits together");
    client.get("/sync").header("x-request-id", "7b1f-2").send().assert_text("7b1f-2");
    client.get("/nowhere").header("x-request-id", "7b1f-3").send().assert_header("x-request-id", "7b1f-3");
}

#[test]
fn the_log_says_which_request_ended_a_worker_and_the_client_learns_only_its_id() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log");
    let log = std::fs::File::create(&path).expect("a file");
    let faults = Program::start_to("faults", &[("PIXIE_DEV", "0")], Stdio::from(log));
    for (number, (target, cause)) in [
        ("/segv", "cause=SIGSEGV"),
        ("/abort", "cause=SIGABRT"),
        ("/overflow", "cause=\"stack overflow\""),
        ("/oom", "cause=\"out of memory\""),
        ("/exit", "cause=\"exit code 0\""),
        ("/loop", "cause=deadline"),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("request-{number}");
        let head =
            format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Request-Id: {id}\r\n\r\n");
        let answer = faults.ask(&head);
        assert!(answer.head.contains(&format!("x-request-id: {id}\r\n")), "{}", answer.head);
        let told = format!("{}{}", answer.head, answer.body).to_lowercase();
        assert!(
            ["signal", "sig", "memory", "stack", "worker", "pid"].iter().all(|secret| !told.contains(secret)),
            "{told}"
        );
        let line = until("the exit is in the log", || {
            let log = std::fs::read_to_string(&path).expect("the log can be read");
            let mut lines = log.lines();
            lines.find(|line| line.contains(&format!("request={id} ")) && line.contains("a worker ")).map(str::to_owned)
        });
        for field in
            [cause, "pool=default", "worker=", "pid=", "route=", "job=", "ran=", "age=", "jobs=", "memory_peak"]
        {
            assert!(line.contains(field), "{target}: no `{field}` in: {line}");
        }
        until(&format!("{target}: the request's own line has its id"), || {
            let log = std::fs::read_to_string(&path).expect("the log can be read");
            let is_it = |line: &str| line.contains("status=50") && line.contains(&format!("request={id}"));
            log.lines().any(is_it).then_some(())
        });
    }
}

/// Starts the example with its log in a file, and returns what reads it.
fn logged(folder: &tempfile::TempDir) -> (Program, impl Fn() -> String) {
    let path = folder.path().join("log");
    let log = std::fs::File::create(&path).expect("a file");
    let program = Program::start_to("faults", &[("PIXIE_DEV", "0")], Stdio::from(log));
    (program, move || std::fs::read_to_string(&path).expect("the log can be read"))
}

#[test]
fn a_stream_that_breaks_off_has_one_line_in_the_log_with_its_reason_and_its_request() {
    let folder = tempfile::tempdir().expect("a folder");
    let (faults, log) = logged(&folder);
    let broken = [
        ("/cut/error", "500 Internal Server Error"),
        ("/cut/panic", "panicked: a stream panicked, at examples/faults.rs:"),
        ("/cut/read", "an item was an error"),
        ("/cut/async", "an item was an error"),
    ];
    for (target, reason) in broken {
        let mut stream = faults.connect();
        let head = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: of{target}\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("the request can be sent");
        // This test does not check how the connection ends after a cut-off response.
        let _ = stream.read_to_end(&mut Vec::new());
        let is_its = |line: &&str| line.contains(&format!("path={target}")) && !line.contains(" INFO request ");
        let line = until("the failure is in the log", || log().lines().find(is_its).map(str::to_owned));
        assert!(line.contains(" ERROR a response was cut off: ") && line.contains(reason), "{line}");
        assert!(target == "/cut/async" || line.contains(&format!("request=of{target}")), "{line}");
        assert_eq!(log().lines().filter(is_its).count(), 1, "{}", log());
    }
}

#[test]
fn an_event_of_a_worker_is_in_the_log_with_its_level_its_fields_and_its_worker() {
    let folder = tempfile::tempdir().expect("a folder");
    let (faults, log) = logged(&folder);
    assert_eq!(faults.get("/event?id=seven").status, 200);
    let is_it = |line: &&str| line.contains("a handler has something to tell");
    let line = until("the event is in the log", || log().lines().find(is_it).map(str::to_owned));
    let (date, event) = line.split_once(" WARN ").expect("it has its level");
    assert!(
        date.ends_with("GMT ") && event.starts_with("a handler has something to tell id=seven pool=default worker="),
        "{line}"
    );
}

/// Starts the example with these variables and its log in a file, and returns what waits for a line of a path.
fn logged_with(folder: &tempfile::TempDir, variables: &[(&str, &str)]) -> (Program, impl Fn(&str) -> String + use<>) {
    let path = folder.path().join("log");
    let log = std::fs::File::create(&path).expect("a file");
    let program = Program::start_to("faults", variables, Stdio::from(log));
    (program, move |of: &str| {
        until(&format!("the line with {of}"), || {
            let log = std::fs::read_to_string(&path).expect("the log can be read");
            log.lines().find(|line| line.contains(of)).map(str::to_owned)
        })
    })
}

#[test]
fn each_request_has_one_event_that_says_where_it_ran() {
    let folder = tempfile::tempdir().expect("a folder");
    let (faults, line) = logged_with(&folder, &[]);
    for (target, status, place) in [
        ("/sync?id=secret", 200, "kind=sync"),
        ("/async?id=secret", 200, "kind=async"),
        ("/ok?id=secret", 200, "kind=pool pool=default worker="),
        ("/nowhere?id=secret", 404, ""),
    ] {
        faults.get(target);
        let path = target.split('?').next().expect("a path");
        let line = line(&format!("path={path}"));
        let expected = format!(" INFO request method=GET path={path} status={status} took=0.");
        assert!(line.contains(&expected) && line.contains(place), "{line}");
        assert!(line.contains(" client=127.0.0.1") && !line.contains("secret"), "{line}");
        assert_eq!(line.contains(" request="), place.contains("pool"), "{line}");
        assert_eq!(line.contains("kind="), !place.is_empty(), "{line}");
    }
}

#[test]
fn a_client_that_leaves_before_the_response_is_in_the_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let (faults, line) = logged_with(&folder, &[]);
    let mut stream = faults.connect();
    stream.write_all(b"GET /loop HTTP/1.1\r\nHost: x\r\n\r\n").expect("the request can be sent");
    until("the request has reached its worker", || {
        faults.get("/status").body.contains("\"label\":\"endless\"").then_some(())
    });
    drop(stream);
    assert!(line("path=/loop").contains(" status=499 "));
}

#[test]
fn the_log_is_json_if_an_operator_wants_that() {
    let folder = tempfile::tempdir().expect("a folder");
    let (faults, line) = logged_with(&folder, &[("PIXIE_LOG_FORMAT", "json")]);
    faults.get("/ok?id=1");
    let event: Value = serde_json::from_str(&line("\"/ok\"")).expect("it is JSON");
    let (fields, target) = (&event["fields"], &event["target"]);
    assert_eq!((target, &event["level"]), (&"pixie_web::access".into(), &"INFO".into()), "{event}");
    assert_eq!((&fields["status"], &fields["path"]), (&200.into(), &"/ok".into()), "{event}");
    assert!(fields["took"].as_f64().is_some_and(|took| took < 60.0) && fields["worker"].is_u64(), "{event}");
    assert!(event["timestamp"].as_str().is_some_and(|time| time.ends_with('Z') && time.contains('T')), "{event}");
    faults.get("/event?id=seven");
    let event: Value = serde_json::from_str(&line("something to tell")).expect("it is JSON");
    assert_eq!((&event["level"], &event["fields"]["id"]), (&"WARN".into(), &"seven".into()), "{event}");
    assert_eq!((&event["target"], &event["fields"]["pool"]), (&"faults".into(), &"default".into()), "{event}");
}

#[test]
fn requests_are_logged_in_the_common_format_or_not_at_all() {
    let faults = Program::start_with("faults", &[("PIXIE_ACCESS_LOG", "common")]);
    faults.get("/sync?id=1");
    let line = faults.output_to("GET /sync");
    assert!(line.contains("127.0.0.1 - - [") && line.contains("\"GET /sync HTTP/1.1\" 200 1"), "{line}");
    for off in [("PIXIE_ACCESS_LOG", "off"), ("RUST_LOG", "info,pixie_web::access=off")] {
        let folder = tempfile::tempdir().expect("a folder");
        let (faults, line) = logged_with(&folder, &[off]);
        faults.get("/sync?id=1");
        faults.get("/event?id=1");
        line("something to tell");
        let log = std::fs::read_to_string(folder.path().join("log")).expect("the log can be read");
        assert!(!log.contains("/sync") && !log.contains("/event"), "{log}");
    }
}

#[test]
fn a_log_that_nothing_reads_holds_up_no_request_and_lost_lines_are_reported() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let faults = Program::start_to("faults", &[], Stdio::from(writer));
    let mut stream = faults.connect();
    let (one, last) = ("GET /sync?id=1 HTTP/1.1\r\nHost: x\r\n", "Connection: close\r\n");
    for round in 0..120 {
        let end = if round == 119 { last } else { "" };
        let requests = format!("{one}\r\n").repeat(200) + &format!("{one}{end}\r\n");
        stream.write_all(requests.as_bytes()).expect("the requests can be sent");
        let mut answers = Vec::new();
        let wanted = 201;
        while answers.windows(4).filter(|bytes| *bytes == b"\r\n\r\n").count() < wanted {
            let mut bytes = [0; 64 * 1024];
            let count = stream.read(&mut bytes).expect("the answers can be read");
            assert!(count > 0, "the server closed the connection");
            answers.extend_from_slice(&bytes[..count]);
        }
    }
    // A request that writes a line of its own is not held up either.
    assert_eq!(faults.get("/event?id=1").status, 200);
    let (sender, lines) = std::sync::mpsc::channel();
    thread::spawn(move || {
        std::io::BufReader::new(reader).lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)))
    });
    while !lines.recv_timeout(support::PATIENCE).expect("a line in time").contains("lost lines of the log") {}
}

#[test]
fn this_machine_may_look_and_what_a_proxy_passes_on_may_not() {
    let faults = Program::start("faults");
    let answer = faults.get("/status");
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(
        answer.head.contains("cache-control: no-store") && answer.body.contains("\"name\":\"default\""),
        "{answer:?}"
    );
    for header in ["X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1", "Via: 1.1 proxy"] {
        let asked = format!("GET /status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{header}\r\n\r\n");
        let answer = faults.ask(&asked);
        assert!(answer.status == 403 && !answer.body.contains("default"), "{header}: {answer:?}");
    }
    let asked = "GET /status HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    assert_eq!(faults.ask(asked).status, 403);
}
