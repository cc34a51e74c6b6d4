//! `pixie dev` as a whole: the real command, on small apps that are edited while they run.
//!
//! The apps are built from this workspace into its target folder. Tests wait for events, not for a time.
#![cfg(target_os = "linux")]
#[path = "../../../tests/programs/browser.rs"]
mod browser;
#[path = "../cli/builds.rs"]
mod builds;
mod ends;
mod env_file;
#[path = "../cli/environment.rs"]
mod environment;
mod events;
mod https;
mod keys;
mod newcomer;
mod pages;
mod saving;
mod site;
mod switching;
#[path = "../cli/terminal.rs"]
mod terminal;

/// What the browser's driver wants of a test.
mod support {
    pub(crate) use crate::site::{PATIENCE, until};
}

use std::{fs, process::Command};

use site::{Site, command, page, until};

#[test]
fn an_edit_is_answered_by_the_new_program_and_told_to_the_page() {
    let site = Site::start("edited", &page("one"));
    let first = site.page("/");
    assert!(first.body.starts_with("<!doctype html><h1>one</h1>"), "{}", first.body);
    assert!(first.body.contains("/__pixie/dev.js?build="), "{}", first.body);
    assert!(first.head.contains("cache-control: no-store"), "{}", first.head);
    assert_eq!(site.get("/pool").body, "one");

    let mut events = site.events();
    let build = events.next("hello");
    site.write("src/main.rs", &page("two"));
    events.next("building");
    events.next("restart");
    until("the new program answers", || site.page("/").body.contains("<h1>two</h1>").then_some(()));
    assert_eq!(site.get("/pool").body, "two");
    // The program before may answer for a moment more.
    until("pages talk to the new program", || (site.events().next("hello") != build).then_some(()));
}

#[test]
fn a_template_edit_is_a_build_and_an_edit_that_changes_nothing_is_none() {
    let site = Site::start(
        "template",
        &page("{}").replace("\"<!doctype html><h1>{}</h1>\"", "include_str!(\"../templates/a.html\")"),
    );
    assert!(site.page("/").body.contains("from the template"));
    let mut events = site.events();
    events.next("hello");
    // Nothing may come of the first three: what is told first is the fourth.
    site.write("src/main.rs", &site.read("src/main.rs"));
    let touched = fs::File::open(site.folder.join("src/main.rs")).expect("a file");
    touched.set_modified(std::time::SystemTime::now()).expect("it can be touched");
    site.write("data.db", "a database");
    site.write("static/app.css", "p { color: red }");
    assert_eq!(events.any(|name| name != "ok").0, "css");
    site.write("static/app.js", "1");
    assert_eq!(events.any(|_| true).0, "reload");
    site.write("templates/a.html", "<!doctype html>another template");
    events.next("building");
    until("the new template is there", || site.page("/").body.contains("another template").then_some(()));
}

#[test]
fn a_build_that_fails_leaves_the_old_program_serving_and_tells_the_page_why() {
    let site = Site::start("failing", &page("good"));
    let mut events = site.events();
    site.write("src/main.rs", "fn main() { let x: u32 = \"text\"; }");
    let failed = events.next("failed");
    assert!(failed.contains("mismatched types") && failed.contains("src/main.rs:1:26"), "{failed}");
    assert!(site.page("/").body.contains("good"));
    // A page that is opened now learns it too.
    assert_eq!(site.events().next("failed"), failed);
    site.write("src/main.rs", &page("better"));
    events.next("ok");
    until("the new program answers", || site.page("/").body.contains("better").then_some(()));
}

#[test]
fn a_program_that_crashes_at_its_start_does_not_take_over() {
    // The longest of backtraces does not push the message out.
    let mut command = command(&Site::project("crashing", &page("steady")), &[]);
    command.env("RUST_BACKTRACE", "full");
    let site = Site::launch_as(command);
    site.says("ready in");
    let mut events = site.events();
    site.write("src/main.rs", "fn main() { panic!(\"no database\"); }");
    let failed = events.next("failed");
    assert!(failed.contains("no database") && failed.contains("ended before it was ready"), "{failed}");
    assert!(site.page("/").body.contains("steady"));
    site.write("src/main.rs", &page("recovered"));
    until("the new program answers", || site.page("/").body.contains("recovered").then_some(()));
}

#[test]
fn while_no_program_runs_a_page_says_why_and_nobody_is_refused() {
    let site = Site::launch("homeless", "fn main() { broken }");
    let answer = until("the failed build is told", || {
        let answer = site.page("/");
        assert_eq!(answer.status, 503, "{}", answer.body);
        answer.body.contains("cannot find value").then_some(answer)
    });
    assert!(answer.head.contains("retry-after") && answer.body.contains("http-equiv=refresh"));
    assert!(!answer.body.contains('\u{1b}'));
    site.write("src/main.rs", &page("at last"));
    until("the program answers", || site.page("/").body.contains("at last").then_some(()));
}

#[test]
fn a_failure_shows_the_code_around_its_place() {
    let source =
        page("x").replace("\"<!doctype html><h1>x</h1>\"", "{ let empty: Vec<u8> = vec![]; empty[3].to_string() }");
    let site = Site::start("panicking", &source);
    let answer = site.page("/");
    assert_eq!(answer.status, 500);
    assert!(answer.body.contains("<mark>") && answer.body.contains("let empty"), "{}", answer.body);
    assert!(answer.body.contains("/__pixie/dev.js"));
}

#[test]
fn what_is_under_pixie_wants_the_token_and_a_host_name_of_ours() {
    let site = Site::start("guarded", &page("x"));
    let token = site.token();
    assert_eq!(site.get("/__pixie/dev.js").status, 403);
    assert_eq!(site.get("/__pixie/dev.js?token=0").status, 403);
    let script = format!("/__pixie/dev.js?token={token}");
    assert_eq!(site.get(&script).status, 200);
    let stranger = site.ask(&format!("GET {script} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"));
    assert_eq!(stranger.status, 403);
}

#[test]
fn routes_are_told_by_the_program_itself() {
    let folder = Site::project("listed", &page("x"));
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pixie"));
        let output =
            site::isolated(&mut command).arg("routes").args(args).current_dir(&folder).output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, table) = run(&[]);
    assert_eq!(code, Some(0));
    let lines: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["METHOD", "PATH", "KIND", "POOL", "HANDLER", "PLACE"]);
    assert_eq!(lines[1], ["GET", "/", "sync", "-", "-", "src/main.rs:4"]);
    assert_eq!(lines[2], ["GET", "/pool", "pool", "default", "-", "src/main.rs:5"]);
    assert!(!table.contains('\u{1b}'));
    let (code, json) = run(&["--json", "--match", "GET /pool?x=1"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(
        (code, json["routes"][0]["pool"].as_str(), json["status"].as_u64()),
        (Some(0), Some("default"), Some(200))
    );
    assert_eq!(run(&["--match", "POST /pool"]), (Some(1), String::new()));
}
