//! Requests to the API without a socket, with a database in memory.

use std::path::Path;

use pixie_web::{App, Method, TestClient, TestResponse};
use serde_json::{Value, json};

use crate::database::Database;

/// The app with an empty database. `pixie add` writes tests that use it.
pub fn app() -> App {
    crate::app(":memory:".into())
}

fn client() -> TestClient {
    app().test().expect("a valid app")
}

fn add(client: &TestClient, title: &str) -> TestResponse {
    client
        .post("/api/tasks")
        .json(&json!({ "title": title }))
        .send()
}

/// The titles of a list of tasks.
fn titles(client: &TestClient, query: &str) -> Vec<String> {
    let sent = client.get(&format!("/api/tasks{query}")).send();
    let tasks: Vec<Value> = sent.assert_status(200).json();
    let title = |task: &Value| task["title"].as_str().unwrap_or_default().to_owned();
    tasks.iter().map(title).collect()
}

/// Checks that the response is a problem document (RFC 9457), and returns it.
fn problem(response: TestResponse, status: u16) -> Value {
    let response = response.assert_status(status);
    response
        .assert_header("content-type", "application/problem+json")
        .json()
}

#[test]
fn a_task_is_added_shown_changed_and_removed() {
    let client = client();
    let task: Value = add(&client, "buy milk").assert_status(201).json();
    assert_eq!(task, json!({ "id": 1, "title": "buy milk", "done": false }));
    let path = "/api/tasks/1";
    assert_eq!(client.get(path).send().json::<Value>(), task);

    let change = json!({ "done": true });
    let sent = client.patch(path).json(&change).send();
    let changed: Value = sent.assert_status(200).json();
    assert_eq!(
        changed,
        json!({ "id": 1, "title": "buy milk", "done": true })
    );

    client.delete(path).send().assert_status(204);
    problem(client.get(path).send(), 404);
    problem(client.patch(path).json(&change).send(), 404);
    problem(client.delete(path).send(), 404);
}

/// A change of the API shows here, for a review.
#[test]
fn the_description_is_the_reviewed_one() {
    insta::assert_snapshot!(client().openapi());
}

#[test]
fn the_description_is_served_with_a_page() {
    let client = client();
    let sent = client.get("/openapi.json").send().assert_status(200);
    let document: Value = sent.json();
    assert!(document["paths"]["/api/tasks"]["post"].is_object());
    let sent = client.get("/").send().assert_status(303);
    sent.assert_header("location", "/docs");
    client.get("/docs").send().assert_status(200);
}

#[test]
fn a_list_has_pages_and_a_filter() {
    let client = client();
    for number in 1..=51 {
        add(&client, &format!("task {number}")).assert_status(201);
    }
    assert_eq!(titles(&client, "").len(), 50);
    assert_eq!(titles(&client, "?after=50"), ["task 51"]);
    let change = json!({ "done": true });
    client.patch("/api/tasks/7").json(&change).send();
    assert_eq!(titles(&client, "?done=true"), ["task 7"]);
    assert_eq!(titles(&client, "?done=false&after=49").len(), 2);
    problem(client.get("/api/tasks?done=perhaps").send(), 400);
}

#[test]
fn a_task_that_breaks_a_rule_is_refused_with_the_field() {
    let client = client();
    for title in ["", &"long ".repeat(41)] {
        let problem = problem(add(&client, title), 422);
        assert!(problem["errors"]["title"].is_array(), "{problem}");
    }
    problem(client.post("/api/tasks").json(&json!({})).send(), 422);
    problem(client.post("/api/tasks").body("buy milk").send(), 415);
    assert!(titles(&client, "").is_empty());
}

#[test]
fn tasks_are_still_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let app = || crate::app(folder.path().join("data/app.sqlite"));
    add(&app().test().expect("a valid app"), "still here");
    let again = app().test().expect("a valid app");
    assert_eq!(titles(&again, ""), ["still here"]);
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let error = Database::open(Path::new("/")).err();
    let text = error.expect("it is a folder").to_string();
    assert!(
        text.contains("the database /:") && text.contains("DATABASE"),
        "{text}"
    );
}

#[test]
fn only_pages_of_known_sites_may_read_responses() {
    let client = client();
    for (site, is_known) in [
        ("http://localhost:5173", true),
        ("https://elsewhere.example", false),
    ] {
        let request = client.request(Method::OPTIONS, "/api/tasks/1");
        let request = request.header("access-control-request-method", "PATCH");
        let sent = request.header("origin", site).send();
        let allowed = sent.header("access-control-allow-origin");
        assert_eq!(allowed, is_known.then_some(site));
    }
}
