//! A running app from outside: timeouts, the shutdown handle, a port that is in use.
use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::ffi::OsStrExt,
    pin::Pin,
    process::{Command, Stdio},
    sync::{Arc, Mutex, mpsc},
    task::{Context, Poll},
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::support::{PATIENCE, Program, example, until};
use http_body_util::BodyExt;
use pixie_web::{
    App, Body, BodyReader, Form, FromRequest, Needs, Request, Response, Route, ServerConfig, Shutdown, State,
};

/// An app on a thread of this test, on a port that was free a moment ago.
pub(crate) struct Running {
    pub(crate) port: u16,
    pub(crate) shutdown: Shutdown,
    pub(crate) ended: JoinHandle<Result<(), String>>,
}

pub(crate) fn start(app: App) -> Running {
    let probe = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = probe.local_addr().expect("its number").port();
    drop(probe);
    let app = app.host("127.0.0.1").port(port).workers(0).banner(false);
    let shutdown = app.shutdown();
    let ended = thread::spawn(|| app.run().map_err(|error| error.to_string()));
    until("the app listens", || TcpStream::connect(("127.0.0.1", port)).ok());
    Running { port, shutdown, ended }
}

impl Running {
    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        stream.write_all(request.as_bytes()).expect("the request can be sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the answer can be read");
        answer
    }
}

/// Splits the bytes of a connection into responses, as a client does. Returns the status and body of each, or
/// an error for a body that is cut off.
fn cut_up(mut text: &str) -> Vec<(u16, Result<&str, &str>)> {
    let mut answers = Vec::new();
    while !text.is_empty() {
        let (head, rest) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text:?}"));
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|line| line.get(..3)?.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no head: {head:?}"));
        let head = head.to_lowercase();
        let length = head.split_once("content-length: ").map(|(_, rest)| rest.lines().next().unwrap_or_default());
        let length = length.map(|length| length.parse().expect("a length is a number"));
        let (body, rest) = match (status, length) {
            (204 | 304, _) => (Ok(""), rest),
            (_, Some(length)) if length > rest.len() => (Err(rest), ""),
            (_, Some(length)) => (Ok(&rest[..length]), &rest[length..]),
            (_, None) => rest.split_once("0\r\n\r\n").map_or((Err(rest), ""), |(body, rest)| (Ok(body), rest)),
        };
        answers.push((status, body));
        text = rest;
    }
    answers
}

/// Sends a request and one for `/end`, in one write on one connection.
fn pipelined(
    answer: impl Fn() -> Response + Clone + Send + Sync + 'static,
    check: impl Fn(&str, &[(u16, Result<&str, &str>)]),
) {
    let (sync, thread, asynchronous, pool) = (answer.clone(), answer.clone(), answer.clone(), answer);
    let running = start(
        App::new()
            .route(Route::get("/sync").sync(move |_| sync()))
            .route(Route::get("/thread").thread(move |_| thread()))
            .route(Route::get("/async").asynchronous(move |_| std::future::ready(asynchronous())))
            .route(Route::get("/pool").pool(move |_| pool()))
            .route(Route::get("/end").sync(|_| "the end")),
    );
    for kind in ["/sync", "/thread", "/async", "/pool"] {
        let both =
            format!("GET {kind} HTTP/1.1\r\nHost: x\r\n\r\nGET /end HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        check(kind, &cut_up(&running.ask(&both)));
    }
    running.shutdown.trigger();
    running.ended.join().expect("it did not panic").expect("it ended well");
}

#[test]
fn a_length_that_is_wrong_does_not_make_the_rest_of_an_answer_the_next_one() {
    const SMUGGLED: &str = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nsmuggled";
    for (status, length) in [(200, "0"), (200, "5"), (200, "1000"), (200, "x"), (204, "55"), (304, "55")] {
        let answer = move || Response::new(SMUGGLED).code(status).header("content-length", length);
        let body = if status == 200 { SMUGGLED } else { "" };
        pipelined(answer, |kind, answers| {
            assert_eq!(answers, [(status, Ok(body)), (200, Ok("the end"))], "{kind} {status} {length}");
        });
    }
}

#[test]
fn a_stream_is_held_to_the_length_that_it_declares() {
    let streamed =
        |length: &'static str| move || Response::new(Body::from_stream(Pieces(5))).header("content-length", length);
    pipelined(streamed("5"), |kind, answers| assert_eq!(answers, [(200, Ok("xxxxx")), (200, Ok("the end"))], "{kind}"));
    // Pieces that were not sent before the stream failed are discarded.
    pipelined(streamed("9"), |kind, answers| assert!(matches!(answers, [] | [(200, Err(_))]), "{kind}: {answers:?}"));
    pipelined(streamed("3"), |kind, answers| {
        let is_cut = matches!(answers, [] | [(200, Err(_))]);
        assert!(is_cut || answers == [(200, Ok("xxx")), (200, Ok("the end"))], "{kind}: {answers:?}");
    });
    pipelined(streamed("five"), |kind, answers| {
        let text: String = answers[0].1.expect("it is whole").chars().filter(|letter| *letter == 'x').collect();
        assert_eq!((text.as_str(), answers.len()), ("xxxxx", 2), "{kind}: {answers:?}");
    });
}

/// A stream of this many pieces.
struct Pieces(usize);

impl futures_core::Stream for Pieces {
    type Item = std::io::Result<&'static str>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let left = self.0.checked_sub(1);
        self.0 = left.unwrap_or_default();
        Poll::Ready(left.map(|_| Ok("x")))
    }
}

fn form_app() -> App {
    let read = |_: &mut pixie_web::Request| "read";
    App::new().route(
        Route::post("/form").sync(read).needs(pixie_web::Needs::default().extractor::<Form<Vec<(String, String)>>>()),
    )
}

#[test]
fn a_body_that_stands_still_is_answered_with_408() {
    let app = form_app().server(ServerConfig::new().body_timeout(Duration::from_millis(100)));
    let running = start(app);
    let answer = running.ask("POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\na=1");
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
}

#[test]
fn a_multipart_form_that_stands_still_or_never_ends_is_answered_and_leaves_no_file() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let server = ServerConfig::new().body_timeout(Duration::from_millis(100));
    let running = start(form_app().server(server).body_limit(1024 * 1024).upload_dir(folder.path()));
    let head = "POST /form HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n";
    let part = "--x\r\nContent-Disposition: form-data; name=f; filename=f\r\n\r\n";
    // Long enough that the upload is written to a file before it breaks off.
    let begun = format!("{head}Content-Length: 900000\r\n\r\n{part}{}", "a".repeat(600_000));
    let answer = running.ask(&begun);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let chunk = format!("{:x}\r\n{}\r\n", 300_000, "a".repeat(300_000));
    let endless = format!("{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{part}\r\n{}", part.len(), chunk.repeat(4));
    let answer = running.ask(&endless);
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    until("no file is left but the lock", || {
        let folders = std::fs::read_dir(folder.path()).expect("it can be listed").flatten();
        let files = folders.filter_map(|folder| std::fs::read_dir(folder.path()).ok()).flatten().count();
        (files == 1).then_some(())
    });
    running.shutdown.trigger();
    assert_eq!(running.ended.join().expect("it does not panic"), Ok(()));
    assert_eq!(std::fs::read_dir(folder.path()).expect("it can be listed").count(), 0);
}

#[test]
fn a_head_that_does_not_end_is_answered_with_408() {
    let app = form_app().server(ServerConfig::new().header_timeout(Duration::from_millis(100)));
    let answer = start(app).ask("GET / HTTP/1.1\r\nHost: x\r\n");
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[test]
fn a_chunked_body_over_the_limit_is_answered_with_413() {
    let running = start(form_app().body_limit(8));
    let head = "POST /form HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answer = running.ask(&format!("{head}6\r\na=1234\r\n6\r\n567890\r\n0\r\n\r\n"));
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

/// An app whose handlers read a body to its end while it arrives, and always answer 200.
fn reader_app() -> App {
    let read = |request: &mut Request| -> pixie_web::Result<String> {
        let copied = std::io::copy(&mut BodyReader::from_request(request)?, &mut std::io::sink());
        Ok(format!("read {}", copied.map_or_else(|error| error.to_string(), |bytes| bytes.to_string())))
    };
    let needs = || Needs::default().extractor::<BodyReader>();
    let deadline = Duration::from_secs(60);
    App::new()
        .route(Route::post("/pool").pool(read).needs(needs()).body_limit(10).deadline(deadline))
        .route(Route::post("/thread").thread(read).needs(needs()).body_limit(10).deadline(deadline))
        .route(Route::post("/short").thread(read).needs(needs()).deadline(Duration::from_millis(100)))
}

#[test]
fn a_body_that_breaks_off_while_it_is_read_decides_the_answer() {
    let server = ServerConfig::new().body_timeout(Duration::from_millis(100));
    let running = start(reader_app().server(server));
    let chunked = "Transfer-Encoding: chunked\r\n\r\n";
    for path in ["/pool", "/thread"] {
        let ask = |rest: &str| running.ask(&format!("POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{rest}"));
        for (rest, status) in [
            ("Content-Length: 10\r\n\r\n0123456789".to_owned(), 200),
            (format!("{chunked}5\r\n01234\r\n5\r\n56789\r\n0\r\nx-trailer: 1\r\n\r\n"), 200),
            ("Content-Length: 11\r\n\r\n".to_owned(), 413),
            (format!("{chunked}6\r\n012345\r\n5\r\n67890\r\n0\r\n\r\n"), 413),
            (format!("{chunked}6\r\n012345\r\nzz\r\n"), 400),
            ("Content-Length: 10\r\n\r\n0123".to_owned(), 408),
        ] {
            let answer = ask(&rest);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path} {rest}: {answer}");
            assert!(status != 200 || answer.ends_with("read 10"), "{path} {rest}: {answer}");
        }
    }
}

#[test]
fn a_route_that_would_block_while_its_body_arrives_is_refused_at_the_start() {
    let needs = Needs::default().extractor::<BodyReader>();
    let refused = App::new().route(Route::post("/").sync(|_| "").needs(needs)).test();
    let message = refused.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(message.contains("the sync route `/`") && message.contains("thread route"), "{message}");
}

#[test]
fn a_thread_whose_request_is_over_stops_reading_the_body() {
    let running = start(reader_app().threads(1));
    let mut stream = TcpStream::connect(("127.0.0.1", running.port)).expect("it accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    // The client stays connected but does not send the rest.
    stream.write_all(b"POST /short HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0").expect("it can be sent");
    let mut status = [0; 12];
    stream.read_exact(&mut status).expect("the answer can be read");
    assert_eq!(&status, b"HTTP/1.1 504");
    let answer = running.ask("POST /thread HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab");
    assert!(answer.ends_with("read 2"), "the one thread is free: {answer}");
}

/// A gate at which a handler waits until the other end is dropped.
fn door() -> (mpsc::Sender<()>, impl Fn() + Send + Sync + Clone) {
    let (held, door) = mpsc::channel::<()>();
    let door = Arc::new(Mutex::new(door));
    (held, move || {
        let _ = door.lock().expect("nobody panicked with it").recv();
    })
}

#[test]
fn a_connection_ends_with_its_504_though_the_thread_keeps_the_reader() {
    let (held, wait) = door();
    let keep = move |request: &mut Request| -> pixie_web::Result<&'static str> {
        let _reader = BodyReader::from_request(request)?;
        wait();
        Ok("late")
    };
    let route = Route::post("/keep").thread(keep).needs(Needs::default().extractor::<BodyReader>());
    let running = start(App::new().route(route.deadline(Duration::from_millis(100))));
    // Most of the body is not sent. The test checks that the response can be read to the end of the
    // connection.
    let answer = running.ask("POST /keep HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nthe beginning");
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
    drop(held);
}

#[test]
fn a_request_that_no_thread_takes_is_told_when_to_come_again_however_short_its_deadline() {
    let (held, wait) = door();
    let (begin, begun) = mpsc::channel();
    let hold = move |_: &mut Request| {
        begin.send(()).expect("the test listens");
        wait();
    };
    let short = Route::get("/short").thread(|_| "ran").deadline(Duration::from_millis(10));
    let app = App::new().route(Route::get("/hold").thread(hold)).route(short);
    let running = start(app.threads(1).queue_timeout(Duration::from_millis(300)));
    let mut holder = TcpStream::connect(("127.0.0.1", running.port)).expect("it accepts");
    holder.write_all(b"GET /hold HTTP/1.1\r\nHost: x\r\n\r\n").expect("it can be sent");
    begun.recv_timeout(PATIENCE).expect("the one thread is taken");
    let answer = running.ask("GET /short HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").to_lowercase();
    assert!(answer.starts_with("http/1.1 503 ") && answer.contains("retry-after: 1\r\n"), "{answer}");
    drop(held);
}

#[test]
fn a_body_that_an_async_route_takes_as_a_stream_is_held_to_the_limit() {
    /// Counts the bytes that arrive, and always answers 200.
    async fn count(request: Request) -> String {
        let (mut request, mut bytes) = (request, 0);
        let mut body = request.take_body();
        while let Some(Ok(frame)) = body.frame().await {
            bytes += frame.into_data().map_or(0, |data| data.len());
        }
        bytes.to_string()
    }
    let needs = Needs::default().extractor::<pixie_web::Body>();
    let running = start(App::new().route(Route::post("/").asynchronous(count).needs(needs)).body_limit(10));
    let chunked = "Transfer-Encoding: chunked\r\n\r\n";
    for (rest, status) in [
        ("Content-Length: 10\r\n\r\n0123456789".to_owned(), 200),
        (format!("{chunked}5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n"), 200),
        ("Content-Length: 11\r\n\r\n".to_owned(), 413),
        (format!("{chunked}6\r\n012345\r\n5\r\n67890\r\n0\r\n\r\n"), 413),
        (format!("{chunked}6\r\n012345\r\nzz\r\n"), 400),
    ] {
        let answer = running.ask(&format!("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{rest}"));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{rest}: {answer}");
        assert!(status != 200 || answer.ends_with("\r\n10"), "{rest}: {answer}");
    }
}

#[test]
fn a_half_closed_client_gets_its_answer_from_files_and_threads() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/static");
    let slow = Route::get("/thread").thread(|_| {
        thread::sleep(Duration::from_millis(20));
        "thread"
    });
    let running = start(App::new().folder("/static", folder).route(slow));
    for path in ["/static/SOURCE.txt", "/thread"].into_iter().cycle().take(40) {
        let mut stream = TcpStream::connect(("127.0.0.1", running.port)).expect("it accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").expect("the request can be sent");
        stream.shutdown(std::net::Shutdown::Write).expect("it is open");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("the answer can be read");
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{path}: {}", String::from_utf8_lossy(&answer));
    }
}

#[test]
fn the_limit_of_open_files_is_raised_and_shared_with_connections() {
    let program = Program::start_within("-S -n 128 && ulimit -H -n 512", "faults");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", program.pid())).expect("it runs");
    let files = limits.lines().find(|line| line.starts_with("Max open files")).expect("Linux has this limit");
    assert_eq!(files.split_whitespace().skip(3).take(2).collect::<Vec<_>>(), ["512", "512"]);
    // Idle connections do not take the files that a new client, a worker and the log need.
    let _idle: Vec<TcpStream> = (0..600).map(|_| program.connect()).collect();
    assert_eq!((program.get("/sync?id=1").body, program.get("/ok?id=2").body), ("1".into(), "2".into()));
    assert_eq!(program.get("/abort").status, 502);
    assert_eq!(program.get("/ok?id=3").body, "3");
}

#[test]
fn a_start_without_enough_descriptors_says_so_and_never_panics() {
    for files in 16..44 {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {files} && exec timeout 30 \"$0\"")]).arg(example("route_kinds"));
        command.envs([("PIXIE_WORKERS", "1"), ("PIXIE_PORT", "0"), ("PIXIE_DEV", "0")]);
        let mut program = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it can be started");
        let mut lines = BufReader::new(program.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
        // The banner comes before the last step that needs descriptors.
        if lines.any(|line| line.contains("pool streams")) {
            let _ = Command::new("kill").arg(program.id().to_string()).status();
        }
        let output = program.wait_with_output().expect("it ends");
        let errors = String::from_utf8_lossy(&output.stderr);
        let is_told = errors.contains("raise the limit of open files");
        assert!((is_told || output.status.success()) && !errors.contains("panicked"), "{files}: {errors}");
    }
}

#[test]
fn without_a_free_descriptor_idle_connections_are_closed() {
    // Most of these are in use already, so the process reaches its limit before `connections_max`.
    let program = Program::start_within("-n 64", "route_kinds");
    let _idle: Vec<TcpStream> = (0..100).map(|_| program.connect()).collect();
    // A client that comes before the idle connections are closed is told to come again.
    assert!((0..50).any(|_| program.get("/").status == 200));
}

#[test]
fn without_a_free_descriptor_and_an_idle_connection_a_client_gets_a_503() {
    let program = Program::start_within("-n 112", "faults");
    let ask = || {
        let mut stream = program.connect();
        write!(stream, "GET /sleep/3000 HTTP/1.1\r\nHost: x\r\n\r\n").expect("it can be sent");
        stream
    };
    let _busy: Vec<TcpStream> = (0..30).map(|_| ask()).collect();
    let answer = program.get("/sync?id=1");
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
}

#[test]
fn the_handle_in_a_route_stops_the_app() {
    let stop = |request: &mut pixie_web::Request| -> pixie_web::Result<&'static str> {
        let shutdown: State<Shutdown> = pixie_web::FromRequest::from_request(request)?;
        shutdown.trigger();
        Ok("bye")
    };
    let running = start(App::new().route(Route::post("/shutdown").sync(stop)));
    let answer = running.ask("POST /shutdown HTTP/1.1\r\nHost: x\r\n\r\n");
    // The response was read to its end, so the connection was closed behind it.
    assert!(answer.ends_with("bye"), "{answer}");
    assert_eq!(running.ended.join().expect("it did not panic"), Ok(()));
}

#[test]
fn the_handle_outside_stops_the_app() {
    let running = start(App::new().route(Route::get("/").sync(|_| "x")));
    running.shutdown.trigger();
    assert_eq!(running.ended.join().expect("it did not panic"), Ok(()));
}

#[test]
fn a_taken_port_is_named_with_its_owner_and_the_fix() {
    let first = Program::start("route_kinds");
    let second = Command::new(example("route_kinds"))
        .env("PIXIE_PORT", first.port.to_string())
        .stdout(Stdio::null())
        .output()
        .expect("it can be started");
    assert_eq!(second.status.code(), Some(1));
    let message = String::from_utf8_lossy(&second.stderr).into_owned();
    for part in [&format!("port {} is used by", first.port), &format!("pid {}", first.pid()), "PIXIE_PORT="] {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

#[cfg(all(feature = "http2", feature = "http3", feature = "tls", feature = "websocket"))]
#[test]
fn a_taken_port_of_the_code_is_changed_in_the_code() {
    let first = Program::start("route_kinds");
    let mut second = Command::new(example("edge"));
    let output = second.env("PIXIE_PORT", first.port.to_string()).output().expect("it can be started");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains(&format!("port {} is used by", first.port)), "{message}");
    assert!(message.ends_with(": change its `App::listen`\n") && !message.contains("PIXIE_PORT"), "{message}");
}

#[test]
fn a_mistake_in_the_configuration_is_printed_without_a_status() {
    let output = Command::new(example("route_kinds")).env("PIXIE_WORKERS", "many").output().expect("it can be started");
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    let expected = "Error: PIXIE_WORKERS: cannot set `app.workers` to \"many\": the value must be a whole number\n";
    assert_eq!(message, expected);
}

#[test]
fn the_banner_names_address_routes_and_pools() {
    let output = Program::start_with("route_kinds", &[("PIXIE_WORKERS", "2")]).banner();
    for part in
        ["listening on http://localhost:", "GET  /pool     pool    in_worker", "pool default: 2 worker processes"]
    {
        assert!(output.contains(part), "`{part}` is not in:\n{output}");
    }
}

/// Starts the example `uploads`, which must refuse to start, and returns what it writes to standard error.
fn refusal(mut command: Command) -> String {
    let output = command.env("PIXIE_PORT", "0").output().expect("the example runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    errors
}

#[test]
fn a_variable_that_is_not_utf8_is_refused_by_name() {
    let secret = cfg!(feature = "sealed-cookies").then_some("PIXIE_SECRET");
    let all = ["PIXIE_HOST", "PIXIE_WORKERS", "PIXIE_DEV", "PIXIE_DUMP", "PIXIE_POOL_DEFAULT", "RUST_LOG"];
    for name in all.into_iter().chain(secret) {
        let mut command = Command::new(example("uploads"));
        command.env(name, OsStr::from_bytes(b"1\xff"));
        let errors = refusal(command);
        assert!(errors.starts_with(&format!("Error: {name}: the value is not UTF-8")), "{errors}");
    }
}

#[test]
fn what_the_start_ignores_or_will_miss_is_in_the_log() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("log");
    let log = std::fs::File::create(&path).expect("a file");
    let variables = [("TMPDIR", "/nonexistent"), ("RUST_LOG", "pixie_web=debug,x[y]=info"), ("PIXIE_WORKERS", "0")];
    let program = Program::start_to("uploads", &variables, log.into());
    program.get("/nothing");
    let text = until("the log has the request", || {
        std::fs::read_to_string(&path).ok().filter(|text| text.contains("path=/nothing"))
    });
    assert!(text.contains("cannot read `x[y]=info` in RUST_LOG"), "{text}");
    assert!(text.contains("large uploads will fail: set TMPDIR") && text.contains("folder=/nonexistent"), "{text}");
}

#[test]
fn a_request_that_the_server_refuses_itself_is_in_the_log() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("log");
    let log = std::fs::File::create(&path).expect("a file");
    let program = Program::start_to("uploads", &[("PIXIE_WORKERS", "0")], log.into());
    for (request, status) in [("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400), ("G@T / HTTP/1.1\r\n\r\n", 400)] {
        let answer = program.ask(request);
        assert_eq!(answer.status, status, "{request}");
        assert!(answer.body.contains("\"detail\""), "{request}: {}", answer.body);
    }
    // The line of a request may come after that of the next one.
    until("the log has the refusal", || {
        let text = std::fs::read_to_string(&path).ok()?;
        text.contains("valid host status=400 peer=127.0.0.1:").then_some(())
    });
}
