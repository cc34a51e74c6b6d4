//! Starts each example on a free port and sends the requests that a user would send.
use std::io::{Read, Write};

use crate::support::Program;

#[test]
fn route_kinds_run_in_the_process_that_they_name() {
    let kinds = Program::start_with("route_kinds", &[("PIXIE_WORKERS", "1")]);
    let server = format!("pid {}", kinds.pid());
    for path in ["/sync", "/thread", "/async"] {
        let body = kinds.get(path).body;
        assert!(body.contains("process type main") && body.contains(&server), "{path}: {body}");
    }
    for path in ["/pool", "/stream", "/written"] {
        let body = kinds.get(path).body;
        assert!(body.contains("process type pool") && !body.contains(&server), "{path}: {body}");
    }
    assert_eq!(kinds.get("/stream").body.matches("stream: process").count(), 10);
}

#[test]
fn without_workers_pool_routes_run_in_the_main_process() {
    let kinds = Program::start_with("route_kinds", &[("PIXIE_WORKERS", "0")]);
    let server = format!("pid {}", kinds.pid());
    for path in ["/pool", "/stream", "/written"] {
        assert!(kinds.get(path).body.contains(&server), "{path}");
    }
    assert!(kinds.workers().is_empty());
}

#[test]
fn a_fresh_route_has_a_process_for_each_request_and_finds_nothing_of_others() {
    let fresh = Program::start_with("fresh", &[("PIXIE_WORKERS", "1")]);
    let (first, second) = (fresh.get("/fresh").body, fresh.get("/fresh").body);
    assert!(first != second && first.contains("\"served\":1}") && second.contains("\"served\":1}"), "{first} {second}");
    for path in ["/forked", "/executed"] {
        let (first, second) = (fresh.get(path).body, fresh.get(path).body);
        assert_eq!(first.replace("\"served\":1}", "\"served\":2}"), second);
    }
    let look = || fresh.get("/look").body.split_once(",\"served\"").expect("it has the number").1.to_owned();
    let before = look();
    assert_eq!(before, ":1,\"left_threads\":0,\"open_files\":0,\"values\":0,\"variable\":null}");
    for _ in 0..3 {
        assert_eq!(fresh.get("/leave").status, 200);
        assert_eq!(look(), before);
    }
}

#[test]
fn a_fresh_route_does_not_start_without_workers() {
    let program = std::process::Command::new(crate::support::example("fresh")).env("PIXIE_WORKERS", "0").output();
    let said = String::from_utf8_lossy(&program.expect("it can be started").stderr).into_owned();
    assert!(said.contains("pool `fresh` is fresh, which needs worker processes"), "{said}");
}

#[test]
fn routes_without_macros_answer_alike() {
    let plain = Program::start("without_macros");
    assert_eq!(plain.get("/").status, 303);
    let hello = plain.get("/hello/J%C3%BCrgen");
    assert_eq!(hello.body, "Hello Jürgen from process type pool");
    assert!(hello.head.contains("set-cookie: name=j%c3%bcrgen; httponly; samesite=lax; path=/"), "{}", hello.head);
    assert_eq!(plain.get("/async").body, "you asked for /async");
    assert!(plain.get("/count").body.contains('3'));
}

#[test]
fn an_app_in_axum_keeps_its_worker_processes() {
    let axum = Program::start("in_axum");
    assert_eq!(axum.get("/").body, "this is axum");
    assert_eq!(axum.get("/pixie/pool").body, "process type pool");
    assert_eq!(axum.get("/pixie/abort").status, 502);
    assert_eq!(axum.get("/").body, "this is axum");
}

#[test]
fn a_segfault_in_a_task_leaves_axum_serving() {
    let axum = Program::start("axum_pool");
    assert_eq!(axum.get("/").body, "this is axum");
    for _ in 0..3 {
        let crashed = axum.get("/segfault");
        assert_eq!((crashed.status, &crashed.body[..]), (502, "the task crashed"));
        assert_eq!(axum.get("/").body, "this is axum");
    }
    assert_eq!(axum.get("/loop").status, 504);
    let garbage =
        axum.ask("POST /thumbnail HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!(garbage.status, 422, "{}", garbage.body);
    assert_eq!(axum.get("/").body, "this is axum");
}

#[test]
fn a_task_makes_a_thumbnail_for_axum() {
    let axum = Program::start("axum_pool");
    let mut picture = std::io::Cursor::new(Vec::new());
    image::RgbImage::new(400, 200).write_to(&mut picture, image::ImageFormat::Png).expect("an image can be encoded");
    let (picture, mut stream) = (picture.into_inner(), axum.connect());
    let length = picture.len();
    let head =
        format!("POST /thumbnail HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(&[head.as_bytes(), &picture].concat()).expect("the request can be sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the answer can be read");
    let body = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("the head ends") + 4;
    let small = image::load_from_memory(&answer[body..]).expect("the answer is an image");
    assert_eq!((small.width(), small.height()), (100, 50));
}

#[test]
fn a_layer_of_tower_http_wraps_an_app() {
    let layers = Program::start("layers");
    let index = layers.get("/");
    assert_eq!(index.body, "wrapped in layers");
    assert!(index.head.contains("server: pixie"), "{}", index.head);
    assert_eq!(layers.get("/slow").status, 408);
}

#[test]
fn a_form_with_a_file_reaches_a_worker() {
    let uploads = Program::start("uploads");
    let part =
        |head: &str, content: &str| format!("--x\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n");
    let large = "a".repeat(1024 * 1024);
    let form =
        part("name=caption", "Me") + &part("name=tags", "one") + &part("name=picture; filename=\"../me.png\"", &large);
    let head = "POST /pictures HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                Content-Type: multipart/form-data; boundary=x\r\nContent-Length:";
    let answer = uploads.ask(&format!("{head} {}\r\n\r\n{form}--x--\r\n", form.len() + 7));
    assert_eq!(answer.body, "Me [\"one\"]: me.png of 1048576 bytes is not a PNG");
}

#[test]
fn the_server_alone_serves_a_bare_tower_service() {
    let server = Program::start("bare_server");
    assert_eq!(server.get("/any/path").body, "GET /any/path\n");
}

#[test]
fn the_core_alone_runs_under_plain_hyper() {
    let core = Program::start("core_on_hyper");
    assert_eq!(core.get("/hello/you").body, "Hello you");
    let missing = core.get("/missing");
    assert_eq!(missing.status, 404);
    assert!(missing.head.contains("application/problem+json"));
}

#[test]
fn events_come_from_a_worker_one_by_one_and_free_it_when_the_client_leaves() {
    let events = Program::start_with("events", &[("PIXIE_WORKERS", "1")]);
    let count = events.get("/count");
    assert!(count.head.contains("content-type: text/event-stream"), "{}", count.head);
    assert!(count.body.contains("data: 0\nid: 0\n\n") && count.body.contains("data: 2\nid: 2\n\n"), "{}", count.body);
    let rest = events.ask("GET /count HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 6\r\nConnection: close\r\n\r\n");
    assert!(rest.body.contains("data: 7\nid: 7\n\n"), "{}", rest.body);
    let mut stream = events.connect();
    stream.write_all(b"GET /ticks HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("the request can be sent");
    let mut read = String::new();
    while read.matches("data: tick\n\n").count() < 2 {
        let mut piece = [0; 256];
        let length = stream.read(&mut piece).expect("the stream goes on");
        assert!(length > 0, "the stream ended: {read}");
        read.push_str(&String::from_utf8_lossy(&piece[..length]));
    }
    drop(stream);
    assert_eq!(events.get("/count").status, 200, "the one worker is free again");
}
