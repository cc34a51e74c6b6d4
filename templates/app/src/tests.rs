//! Requests to the app without a socket; pages are compared with their snapshots.

use std::{
    ops::Deref,
    path::{Path, PathBuf},
};

use pixie_template::assert_html;
use pixie_web::{App, Result, TestClient, TestResponse};
use tempfile::TempDir;

use crate::notebook::Notebook;

// Lets this test program start itself as a worker of the app. Workers do not open the file.
pixie_web::test_worker!(without_notes);

const PASSWORD: &str = "correct horse battery staple";

/// The app as in production, with a fixed secret, so that tests do not need `.env`.
fn app(open: impl Fn() -> Result<Notebook> + Send + Sync + 'static) -> App {
    let app = crate::app(open).development(false);
    app.keys(["a secret that only encrypts the sessions of tests"])
}

/// The app for tests that do not touch the notebook: `pixie add` writes such tests.
pub fn without_notes() -> App {
    app(Notebook::in_memory)
}

/// A browser, and the folder with the notebook that it writes to.
struct Browser {
    client: TestClient,
    folder: TempDir,
}

impl Browser {
    fn new() -> Browser {
        let folder = tempfile::tempdir().expect("a folder");
        let client = app(opening(&folder)).test();
        Browser {
            client: client.expect("a valid app"),
            folder,
        }
    }

    /// A browser with a user who is logged in.
    fn of_ada() -> Browser {
        let browser = Browser::new();
        browser.sign_up("Ada");
        // Shows the greeting.
        browser.get("/notes").send();
        browser
    }

    fn sign_up(&self, name: &str) {
        let form = [("name", name), ("password", PASSWORD)];
        let sent = self.post("/signup").form(&form).send();
        sent.assert_status(303).assert_header("location", "/notes");
    }

    fn log_in(&self, name: &str, password: &str) -> TestResponse {
        let form = [("name", name), ("password", password)];
        self.post("/login").form(&form).send()
    }
}

impl Deref for Browser {
    type Target = TestClient;

    fn deref(&self) -> &TestClient {
        &self.client
    }
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("data/notes.redb")
}

fn opening(folder: &TempDir) -> impl Fn() -> Result<Notebook> + use<> {
    let file = file(folder);
    move || Notebook::open(&file)
}

fn open(file: &Path) -> Notebook {
    Notebook::open(file).expect("the file can be opened")
}

#[test]
fn a_note_is_shown_after_it_was_sent() {
    let browser = Browser::of_ada();
    let sent = browser
        .post("/notes")
        .form(&[("text", "buy <milk>")])
        .send();
    sent.assert_status(303).assert_header("location", "/notes");
    assert_html!(browser.get("/notes").send().assert_status(200).text());
    let again = browser.get("/notes").send().text();
    assert!(again.contains("milk") && !again.contains("The note is saved."));
}

#[test]
fn notes_are_still_there_after_a_restart() {
    let browser = Browser::of_ada();
    browser
        .post("/notes")
        .form(&[("text", "still here")])
        .send();
    let Browser { client, folder } = browser;
    drop(client);
    let notes = open(&file(&folder)).all().expect("the notes can be read");
    assert_eq!(notes[0].text, "still here");
}

#[test]
fn the_newest_notes_are_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let notebook = open(&file(&folder));
    for number in 1..=101 {
        let added = notebook.add("Ada", &number.to_string());
        added.expect("the note is saved");
    }
    let notes = notebook.all().expect("the notebook can be read");
    let (first, last) = (&notes[0], &notes[notes.len() - 1]);
    assert_eq!((notes.len(), &*first.text, &*last.text), (100, "101", "2"));
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = Notebook::open(folder.path()).err();
    let text = refused.expect("it is a folder").to_string();
    assert!(text.contains(&folder.path().display().to_string()) && text.contains("NOTES_FILE"));
}

#[test]
fn a_user_is_remembered_until_logged_out() {
    let browser = Browser::new();
    browser.sign_up("Ada");
    browser.post("/notes").form(&[("text", "by me")]).send();
    assert_html!(browser.get("/notes").send().assert_status(200).text());
    let sent = browser.post("/logout").send();
    sent.assert_status(303).assert_header("location", "/notes");
    let page = browser.get("/notes").send().text();
    assert!(page.contains("You are logged out.") && page.contains("/signup"));
    let sent = browser.log_in("ada", PASSWORD).assert_status(303);
    sent.assert_header("location", "/notes");
    assert!(browser.get("/notes").send().text().contains("Hello, Ada!"));
}

#[test]
fn a_wrong_password_is_answered_as_an_unknown_name() {
    let browser = Browser::new();
    browser.sign_up("Ada");
    browser.post("/logout").send();
    let wrong = browser.log_in("Ada", "a wrong password");
    assert_html!(wrong.assert_status(422).text());
    let unknown = browser.log_in("Eve", PASSWORD).assert_status(422).text();
    assert!(unknown.contains("The name or the password is wrong."));
    assert!(browser.get("/notes").send().text().contains("/signup"));
}

#[test]
fn a_client_has_five_attempts_per_minute() {
    let browser = Browser::new();
    for _ in 0..5 {
        browser.log_in("Ada", "a guess").assert_status(422);
    }
    let refused = browser.log_in("Ada", "a guess").assert_status(429);
    assert!(refused.header("retry-after").is_some());
}

#[test]
fn an_account_has_a_name_of_its_own_and_a_password() {
    let browser = Browser::new();
    let sign_up = |name: &str, password: &str| {
        let form = [("name", name), ("password", password)];
        let sent = browser.post("/signup").form(&form).send();
        sent.assert_status(422).text()
    };
    assert!(sign_up(" ", PASSWORD).contains("A name has 1 to 40 characters."));
    assert!(sign_up(&"a".repeat(41), PASSWORD).contains("A name has 1 to 40 characters."));
    assert!(sign_up("Ada", "short").contains("A password has at least 8 characters."));
    browser.sign_up("Ada");
    assert!(sign_up("ADA", PASSWORD).contains("This name is taken."));
}

#[test]
fn only_users_write_notes() {
    let browser = Browser::new();
    let sent = browser.post("/notes").form(&[("text", "buy milk")]).send();
    sent.assert_status(303).assert_header("location", "/login");
    let page = browser.get("/login").send().assert_status(200).text();
    assert!(page.contains("Log in to write."));
    assert!(!browser.get("/notes").send().text().contains("milk"));
}

#[test]
fn a_forged_session_is_ignored() {
    let forged = Browser::new()
        .get("/notes")
        .header("cookie", "session=Ada")
        .send();
    assert!(forged.assert_status(200).text().contains("/signup"));
}

#[test]
fn a_note_without_text_is_refused_with_a_reason() {
    let browser = Browser::of_ada();
    let sent = browser.post("/notes").form(&[("text", "  ")]).send();
    assert_html!(sent.assert_status(422).text());
}

#[test]
fn a_note_that_is_too_long_is_not_lost() {
    let browser = Browser::of_ada();
    let text = "long ".repeat(50);
    let sent = browser.post("/notes").form(&[("text", &text)]).send();
    let page = sent.assert_status(422).text();
    assert!(page.contains(text.trim()) && page.contains("too long"));
}

#[test]
fn a_form_from_another_site_is_refused() {
    let browser = Browser::new();
    let request = browser.post("/notes").form(&[("text", "buy spam")]);
    let request = request.header("origin", "https://elsewhere.example");
    request.send().assert_status(403);
}

#[test]
fn primes_are_counted_in_a_worker_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let client = app(opening(&folder)).test_with_workers(1);
    let client = client.expect("a valid app");
    let sent = client.get("/primes").query(&[("below", "100")]).send();
    let page = sent.assert_status(200).text();
    assert!(page.contains("<strong>25</strong>"), "{page}");
    assert!(!page.contains(&format!("process {}.", std::process::id())));
}

#[test]
fn a_number_that_is_none_is_told_beside_the_field() {
    let folder = tempfile::tempdir().expect("a folder");
    let client = app(opening(&folder)).test().expect("a valid app");
    for below in ["", "1e3", "4000000001"] {
        let sent = client.get("/primes").query(&[("below", below)]).send();
        let page = sent.assert_status(422).text();
        assert!(page.contains("Enter a whole number"), "{page}");
    }
}

#[test]
fn the_first_page_links_a_route_of_each_kind() {
    let folder = tempfile::tempdir().expect("a folder");
    let client = app(opening(&folder)).test().expect("a valid app");
    let page = client.get("/").send().assert_status(200).text();
    for kind in ["sync", "thread", "async", "pool", "stream"] {
        let path = format!("/where/{kind}");
        assert!(
            page.contains(&format!("href=\"{path}\"")),
            "no link to {path}"
        );
        client.get(&path).send().assert_status(200);
    }
}

#[test]
fn a_missing_page_has_the_error_page() {
    let browser = Browser::new();
    let request = browser.get("/nowhere").header("accept", "text/html");
    assert_html!(request.send().assert_status(404).text());
}

#[test]
fn a_program_gets_a_problem_document() {
    let missing = Browser::new().get("/nowhere").send().assert_status(404);
    missing.assert_header("content-type", "application/problem+json");
}

#[test]
fn a_file_that_has_not_changed_is_not_sent_again() {
    let browser = Browser::new();
    let sheet = browser.get("/static/style.css").send().assert_status(200);
    let tag = sheet.header("etag").expect("files have a tag");
    let again = browser.get("/static/style.css");
    again.header("if-none-match", tag).send().assert_status(304);
}
