//! Heads of responses, and conditional requests.
use pixie_web::{App, Method, Request, Response, Route};
use serde_json::Value;

use super::support::{CHANGED, Files, WAYS};

#[test]
fn a_file_comes_with_its_type_and_validators() {
    let files = Files::new(&[("a b/style.css", b"p { }"), ("data", b"\x00"), ("pixie.png", b"png")]);
    let client = files.client();
    for way in WAYS {
        let answer = client.get(&format!("{way}a%20b/style.css")).send().assert_status(200).assert_text("p { }");
        let tag = answer.header("etag").expect("a tag").to_owned();
        assert!(tag.starts_with('"'), "{tag} is strong");
        answer
            .assert_header("content-type", "text/css; charset=utf-8")
            .assert_header("last-modified", CHANGED)
            .assert_header("cache-control", "max-age=38400")
            .assert_header("accept-ranges", "bytes")
            .assert_header("vary", "accept-encoding");
        client.get(&format!("{way}data")).send().assert_header("content-type", "application/octet-stream");
        let image = client.get(&format!("{way}pixie.png")).send().assert_header("content-type", "image/png");
        assert_eq!(image.header("vary"), None);
        let same = client.get(&format!("{way}a%20b/style.css")).header("if-none-match", &tag).send();
        let same = same.assert_status(304).assert_text("").assert_header("etag", &tag);
        same.assert_header("cache-control", "max-age=38400").assert_header("vary", "accept-encoding");
    }
}

#[test]
fn a_file_of_any_length_is_whole_and_its_length_is_told_by_head() {
    let bytes: Vec<u8> = (0..300_001u32).map(|at| (at % 251) as u8).collect();
    let lengths = [0, 1, 64 * 1024, 64 * 1024 + 1, 2 * 64 * 1024, bytes.len()];
    let names = lengths.map(|length| format!("{length}.bin"));
    let files = Files::new(&[]);
    for (name, length) in names.iter().zip(lengths) {
        files.write(name, &bytes[..length], 1_000_000_000);
    }
    let client = files.client();
    for (way, (name, length)) in WAYS.iter().flat_map(|way| names.iter().zip(lengths).map(move |row| (way, row))) {
        let whole = client.get(&format!("{way}{name}")).send().assert_status(200);
        assert!(whole.bytes() == &bytes[..length] && !whole.is_cut(), "{way}{name}");
        let head = client.request(Method::HEAD, &format!("{way}{name}")).send().assert_status(200).assert_text("");
        // Framing headers of a worker are removed.
        if *way != "/pool/" {
            head.assert_header("content-length", &length.to_string());
        }
    }
}

#[test]
fn conditions_of_a_file_are_judged_in_order() {
    let files = Files::new(&[("a.txt", b"0123456789")]);
    let client = files.client();
    for way in WAYS {
        let path = format!("{way}a.txt");
        let tag = client.get(&path).send().header("etag").expect("a tag").to_owned();
        let check = |headers: &[(&str, &str)], status| {
            let request = headers.iter().fold(client.get(&path), |request, (name, value)| request.header(name, value));
            request.send().assert_status(status)
        };
        check(&[("if-modified-since", CHANGED)], 304);
        check(&[("if-modified-since", "Sat, 05 Nov 1994 08:49:37 GMT")], 200);
        check(&[("if-unmodified-since", "Sat, 05 Nov 1994 08:49:37 GMT")], 412).assert_header("etag", &tag);
        check(&[("if-match", "\"other\"")], 412);
        check(&[("if-match", &tag), ("range", "bytes=0-0")], 206);
        check(&[("if-none-match", &format!("W/{tag}"))], 304);
        check(&[("if-none-match", "\"other\""), ("if-modified-since", CHANGED)], 200);
        check(&[("if-none-match", &tag), ("range", "bytes=90-")], 304);
        check(&[("if-range", &tag), ("range", "bytes=0-0")], 206);
        check(&[("if-range", CHANGED), ("range", "bytes=0-0")], 206);
        check(&[("if-range", "\"other\""), ("range", "bytes=90-")], 200);
    }
}

/// A response without a file, with the validators that the query names.
fn content(request: &Request) -> Response {
    let pairs = request.query_pairs();
    let validators = pairs.iter().filter(|(_, value)| !value.is_empty());
    validators.fold(Response::new("12345678"), |response, (name, value)| response.header(name, value))
}

#[test]
fn any_answer_with_a_validator_is_judged_as_go_judges_it() {
    let app = App::new()
        .route(Route::get("/sync").sync(|request| content(request)))
        .route(Route::get("/thread").thread(|request| content(request)))
        .route(Route::get("/async").asynchronous(|request| async move { content(&request) }))
        .route(Route::get("/pool").pool(|request| content(request)));
    let client = app.development(false).test().expect("the app fits together");
    let rows: Vec<Value> =
        serde_json::from_str(include_str!("../../data/static/go_serve_content.json")).expect("a table");
    // Ranges are for files.
    let rows = rows.iter().filter(|row| row["request_headers"]["Range"].is_null());
    for (row, path) in rows.flat_map(|row| ["/sync", "/thread", "/async", "/pool"].map(|path| (row, path))) {
        let validators = [("etag", &row["serve_etag"]), ("last-modified", &row["modtime"])];
        let mut request = client.get(path).query(&validators);
        for (name, value) in row["request_headers"].as_object().into_iter().flatten() {
            request = request.header(name, value.as_str().expect("a text"));
        }
        assert_eq!(Some(u64::from(request.send().status().as_u16())), row["want_status"].as_u64(), "{path} {row}");
    }
}

#[test]
fn an_app_may_tag_all_whole_answers() {
    let app = || {
        App::new()
            .route(Route::get("/text").sync(|_| "text"))
            .route(Route::get("/own").sync(|_| Response::new("text").etag("own")))
            .route(Route::get("/created").sync(|_| Response::new("text").code(201)))
            .route(Route::post("/text").sync(|_| "text"))
    };
    let client = app().etags(true).test().expect("the app fits together");
    let tag = client.get("/text").send().header("etag").expect("a tag").to_owned();
    client.get("/text").header("if-none-match", &tag).send().assert_status(304);
    client.get("/own").send().assert_header("etag", "\"own\"");
    assert_eq!(client.get("/created").send().header("etag"), None);
    assert_eq!(client.post("/text").send().header("etag"), None);
    let client = app().test().expect("the app fits together");
    assert_eq!(client.get("/text").send().header("etag"), None, "not unless it is asked for");
}
