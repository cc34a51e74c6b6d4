//! Compression of responses, with the feature `compression`.
use std::io::Read;

use pixie_web::{App, Folder, Method, Pieces, Request, Response, Route, TestClient, TestResponse};

const ALL: &str = "gzip, deflate, br, zstd";

fn long() -> String {
    (0..5000).map(|line| format!("line {line} of a text that says little\n")).collect()
}

fn client() -> TestClient {
    let of_type = |request: &mut Request| Response::new(long()).content_type(request.query().unwrap_or_default());
    App::new()
        .route(Route::get("/sync").sync(|_| long()))
        .route(Route::get("/thread").thread(|_| Response::new(long()).content_type("application/json").etag("v1")))
        .route(Route::get("/async").asynchronous(|_| async { Response::new(long()).content_type("image/svg+xml") }))
        .route(Route::get("/pool").pool(|_| long()))
        .route(Route::get("/stream").stream(|_| Pieces::new(long().lines().map(str::to_owned).collect::<Vec<_>>())))
        .route(Route::get("/short").sync(|_| "short"))
        .route(Route::get("/type").sync(of_type))
        .route(
            Route::get("/secret")
                .sync(|_| Response::new(long()).content_type("text/plain").header("cache-control", "no-transform")),
        )
        .route(
            Route::get("/encoded")
                .sync(|_| Response::new(long()).content_type("text/plain").header("content-encoding", "x")),
        )
        .compress(true)
        .test()
        .expect("the app fits together")
}

fn decoded(answer: &TestResponse) -> String {
    let mut text = String::new();
    let bytes = answer.bytes().as_ref();
    let result = match answer.header("content-encoding") {
        Some("br") => brotli::Decompressor::new(bytes, 4096).read_to_string(&mut text),
        Some("gzip") => flate2::read::GzDecoder::new(bytes).read_to_string(&mut text),
        Some("zstd") => {
            zstd::stream::read::Decoder::new(bytes).and_then(|mut decoder| decoder.read_to_string(&mut text))
        }
        _ => return answer.text(),
    };
    result.expect("the coding is whole");
    text
}

fn get(client: &TestClient, path: &str, accept: &str) -> TestResponse {
    client.get(path).header("accept-encoding", accept).send()
}

#[test]
fn a_long_text_comes_in_the_coding_that_the_client_likes_best() {
    let client = client();
    for path in ["/sync", "/thread", "/async", "/pool"] {
        for (accept, coding) in
            [(ALL, "br"), ("gzip, zstd", "zstd"), ("gzip", "gzip"), ("br;q=0.1, gzip;q=0.2", "gzip")]
        {
            let answer = get(&client, path, accept).assert_status(200).assert_header("content-encoding", coding);
            assert!(decoded(&answer) == long(), "{path} {coding}");
            assert!(answer.bytes().len() * 3 < long().len() && !answer.is_cut(), "{path} {coding}");
            answer.assert_header("vary", "accept-encoding");
        }
        for accept in ["", "identity", "deflate", "br;q=0"] {
            let plain = get(&client, path, accept).assert_header("vary", "accept-encoding");
            assert_eq!(plain.header("content-encoding"), None, "{path} {accept}");
            assert!(plain.text() == long(), "{path} {accept}");
        }
    }
}

#[test]
fn a_stream_is_compressed_too() {
    let answer = get(&client(), "/stream", ALL).assert_header("content-encoding", "br");
    assert!(decoded(&answer) == long().replace('\n', ""));
}

#[test]
fn what_is_short_or_compressed_already_or_must_not_change_is_left_alone() {
    let client = client();
    for path in
        ["/short", "/secret", "/type?image/png", "/type?application/zip", "/type?text/event-stream", "/type?video/mp4"]
    {
        let answer = get(&client, path, ALL).assert_status(200);
        assert_eq!((answer.header("content-encoding"), answer.header("vary")), (None, None), "{path}");
    }
    get(&client, "/encoded", ALL).assert_header("content-encoding", "x");
}

#[test]
fn a_file_that_is_compressed_on_the_way_has_one_tag_in_200_and_304() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in [("long.txt", long()), ("short.txt", "short".to_owned())] {
        std::fs::write(folder.path().join(name), text).expect("a file");
        let file = std::fs::File::options().write(true).open(folder.path().join(name)).expect("the file");
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(784_111_777)).expect("a time");
    }
    let root = folder.path().to_owned();
    let on_pool = move |request: &mut Request| {
        let name = request.param_text("name").unwrap_or_default().into_owned();
        pixie_web::static_file(request, &root, &name)
    };
    let app = App::new().folder("/folder", folder.path()).folder("/cached", Folder::new(folder.path()).cached());
    let client = app.route(Route::get("/pool/<name>").pool(on_pool)).compress(true).test().expect("it fits together");
    for (way, name) in ["folder", "cached", "pool"].iter().flat_map(|way| [(way, "long.txt"), (way, "short.txt")]) {
        for accept in [ALL, "identity"] {
            let ask = || client.get(&format!("/{way}/{name}")).header("accept-encoding", accept);
            let tag = ask().send().assert_status(200).header("etag").expect("a tag").to_owned();
            assert_eq!(tag.starts_with("W/"), name == "long.txt" && accept == ALL, "{way} {name} {accept}");
            let same = ask().header("if-none-match", &tag).send().assert_status(304).assert_header("etag", &tag);
            for absent in ["content-type", "content-encoding", "content-length"] {
                assert_eq!(same.header(absent), None, "{way} {name} {accept}");
            }
        }
    }
}

#[test]
fn the_tag_of_other_bytes_is_weak_and_still_saves_the_answer() {
    let client = client();
    get(&client, "/thread", ALL).assert_header("etag", "W/\"v1\"");
    get(&client, "/thread", "").assert_header("etag", "\"v1\"");
    let request = client.get("/thread").header("accept-encoding", ALL).header("if-none-match", "W/\"v1\"");
    request
        .send()
        .assert_status(304)
        .assert_header("etag", "W/\"v1\"")
        .assert_header("vary", "accept-encoding")
        .assert_text("");
}

#[test]
fn parts_of_a_file_are_not_compressed_and_head_is_told_as_get() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("a.txt"), long()).expect("a file");
    let app = App::new().folder("/static", Folder::new(folder.path())).compress(true);
    let client = app.test().expect("the app fits together");
    let whole = get(&client, "/static/a.txt", ALL).assert_header("content-encoding", "br");
    assert!(decoded(&whole) == long());
    assert_eq!(whole.header("accept-ranges"), None);
    let part = client.get("/static/a.txt").header("accept-encoding", ALL).header("range", "bytes=0-2000").send();
    assert_eq!(part.header("content-encoding"), None);
    assert!(part.assert_status(206).text() == long()[..2001]);
    let head = client.request(Method::HEAD, "/static/a.txt").header("accept-encoding", ALL).send();
    assert_eq!(head.header("content-length"), None);
    assert_eq!(head.assert_header("content-encoding", "br").header("etag"), whole.header("etag"));
}
