//! Requests to the app without a socket, with real worker processes.

use std::{fs, hint::black_box, time::Duration};

use pixie_web::{App, Route, TestClient, TestResponse};

use crate::report::Report;

// Lets this test program start itself as a worker of the app.
pixie_web::test_worker!(app);

/// The app, and routes that do in the pool what a hostile file might make a worker do.
fn app() -> App {
    let hostile = |path| Route::post(path);
    crate::app()
        .route(
            hostile("/endless")
                .pool(|_| endless())
                .pool("files")
                .deadline(Duration::from_millis(500)),
        )
        .route(hostile("/greedy").pool(|_| greedy()).pool("files"))
        .route(hostile("/curious").pool(|_| curious()).pool("files"))
}

fn endless() -> String {
    loop {
        black_box(());
    }
}

fn greedy() -> String {
    let mut blocks = Vec::new();
    loop {
        blocks.push(black_box(vec![1u8; 1024 * 1024]));
    }
}

fn curious() -> String {
    match fs::read("/etc/passwd") {
        Ok(_) => "read".to_owned(),
        Err(error) => error.kind().to_string(),
    }
}

fn client() -> TestClient {
    app().test_with_workers(1).expect("a valid app")
}

fn examine(client: &TestClient, content: impl AsRef<[u8]>) -> TestResponse {
    let request = client
        .post("/report")
        .file("file", "fish & more.txt", content);
    request.header("accept", "text/html").send()
}

/// Sends a request that reaches a limit, and returns the page. After it, the pool still works.
fn ended(path: &str, status: u16) -> String {
    let client = client();
    let sent = client.post(path).header("accept", "text/html").send();
    let page = sent.assert_status(status).text();
    examine(&client, "still here").assert_status(200);
    page
}

#[test]
fn a_text_is_counted() {
    let report = Report::of(&b"One fish, two fish.\n\nRed fish!"[..]).expect("it is text");
    assert_eq!((report.lines, report.words), (3, 6));
    assert_eq!(report.frequent[0], ("fish".to_owned(), 3));
    assert_eq!(report.frequent[1], ("one".to_owned(), 1));
}

#[test]
fn the_first_page_has_the_form() {
    let page = client().get("/").send().assert_status(200).text();
    assert!(page.contains(r#"enctype="multipart/form-data""#), "{page}");
}

#[test]
fn an_upload_is_answered_with_its_report() {
    let page = examine(&client(), "one fish\ntwo fish")
        .assert_status(200)
        .text();
    assert!(
        page.contains("fish &#38; more.txt") && page.contains("<td>fish</td>"),
        "{page}"
    );
}

#[test]
fn a_file_that_is_not_text_is_refused_with_a_reason() {
    let page = examine(&client(), [0xff, 0xfe]).assert_status(422).text();
    assert!(page.contains("The file is not text in UTF-8."), "{page}");
}

#[test]
fn a_file_that_is_too_large_is_refused() {
    let page = examine(&client(), vec![b'a'; 21_000_000])
        .assert_status(413)
        .text();
    assert!(page.contains("This file is too large"), "{page}");
}

#[test]
fn a_worker_is_ended_at_its_deadline() {
    assert!(ended("/endless", 504).contains("This took too long"));
}

#[test]
fn a_worker_is_ended_at_its_memory_limit() {
    assert!(ended("/greedy", 502).contains("more than a worker may use"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_worker_cannot_open_files() {
    client()
        .post("/curious")
        .send()
        .assert_text("permission denied");
}
