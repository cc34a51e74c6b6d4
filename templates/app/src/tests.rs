//! The app as a browser sees it, without a socket: every page is compared with its snapshot.

use pixie_template::assert_html;
use pixie_web::TestClient;

use crate::app;

// Lets this program of tests start itself as a worker of the app.
pixie_web::test_worker!(app);

fn client() -> TestClient {
    app().test().expect("the app fits together")
}

#[test]
fn a_note_is_shown_after_it_was_sent() {
    let client = client();
    let sent = client.post("/").form(&[("text", "buy <milk>")]).send();
    sent.assert_status(303).assert_header("location", "/");
    assert_html!(client.get("/").send().assert_status(200).text());
}

#[test]
fn a_note_without_text_is_refused_with_a_reason() {
    let client = client();
    let sent = client.post("/").form(&[("text", "  ")]).send();
    assert_html!(sent.assert_status(422).text());
}

#[test]
fn a_note_that_is_too_long_is_not_lost() {
    let client = client();
    let text = "long ".repeat(50);
    let sent = client.post("/").form(&[("text", &text)]).send();
    let page = sent.assert_status(422).text();
    assert!(page.contains(text.trim()) && page.contains("too long"));
}

#[test]
fn primes_are_counted_in_a_worker_process() {
    let client = app().test_with_workers(1).expect("the app fits together");
    let sent = client.get("/primes").query(&[("below", "100")]).send();
    let page = sent.assert_status(200).text();
    assert!(page.contains("<strong>25</strong>"), "{page}");
    assert!(!page.contains(&format!("process {}.", std::process::id())));
}

#[test]
fn a_missing_page_has_the_look_of_the_others() {
    let client = client();
    let request = client.get("/nowhere").header("accept", "text/html");
    assert_html!(request.send().assert_status(404).text());
}

#[test]
fn a_program_gets_a_problem_document() {
    let missing = client().get("/nowhere").send().assert_status(404);
    missing.assert_header("content-type", "application/problem+json");
}

#[test]
fn a_file_that_has_not_changed_is_not_sent_again() {
    let client = client();
    let sheet = client.get("/static/style.css").send().assert_status(200);
    let tag = sheet.header("etag").expect("files have a tag");
    let again = client.get("/static/style.css");
    again.header("if-none-match", tag).send().assert_status(304);
}
