//! Folders: their index page, and the redirect for a missing slash.
use std::time::Duration;

use pixie_web::{App, Folder, Route};

use super::support::Files;

#[test]
fn a_folder_answers_with_its_index() {
    let files = Files::new(&[("index.html", b"top"), ("docs/index.html", b"docs"), ("empty/a.txt", b"a")]);
    let client = files.client();
    client.get("/folder/").send().assert_status(200).assert_text("top");
    client.get("/folder/docs/").send().assert_text("docs").assert_header("content-type", "text/html; charset=utf-8");
    client.get("/static/docs/").send().assert_text("docs");
    client.get("/static/docs").send().assert_status(404);
    client.get("/folder/empty/").send().assert_status(404);
    client.get("/folder/docs/index.html/").send().assert_status(404);
}

#[test]
fn a_missing_slash_leads_to_the_folder_and_nowhere_else() {
    let files = Files::new(&[("docs/index.html", b"docs"), ("a b/index.html", b"")]);
    let client = files.client();
    let check = |path: &str, location: &str| {
        client.get(path).send().assert_status(308).assert_header("location", location);
    };
    check("/folder/docs?x=1&y", "./docs/?x=1&y");
    check("/folder/a%20b", "./a%20b/");
    check("/folder", "./folder/");
    let client = App::new().folder("/", Folder::new(&files.root)).test().expect("the app fits together");
    // As a redirect, `//docs/` would name a host.
    client.get("//docs").send().assert_status(404);
    client.get("/docs").send().assert_status(308).assert_header("location", "./docs/");
}

#[test]
fn a_mounted_folder_takes_only_get_and_head_and_leaves_room_for_other_routes() {
    let files = Files::new(&[("index.html", b"file"), ("a.txt", b"a")]);
    let app = App::new()
        .folder("/", Folder::new(&files.root).without_index().max_age(Duration::ZERO))
        .route(Route::get("/").sync(|_| "handler"));
    let client = app.test().expect("the app fits together");
    client.get("/").send().assert_text("handler");
    client.get("/a.txt").send().assert_text("a").assert_header("cache-control", "max-age=0");
    client.post("/a.txt").send().assert_status(405).assert_header("allow", "GET, HEAD, OPTIONS");
}

#[test]
fn a_folder_may_have_another_index() {
    let files = Files::new(&[("home.htm", b"home")]);
    let app = App::new().folder("/pages/", Folder::new(&files.root).index("home.htm"));
    app.test().expect("the app fits together").get("/pages/").send().assert_text("home");
}

#[test]
fn a_missing_root_is_a_mistake_of_the_app() {
    let app = App::new().folder("/static", "no/such/folder").development(true);
    let answer = app.test().expect("the app fits together").get("/static/a.txt").send().assert_status(500);
    assert!(answer.text().contains("no/such/folder"), "{}", answer.text());
}

#[test]
fn folders_with_other_rules_share_a_cache_but_no_index() {
    let files = Files::new(&[("docs/index.html", b"index"), ("docs/home.html", b"home")]);
    let folder = || Folder::new(&files.root).cached();
    let app = App::new()
        .folder("/home", folder().index("home.html"))
        .folder("/none", folder().without_index())
        .folder("/index", folder());
    let client = app.test().expect("the app fits together");
    for _ in 0..2 {
        client.get("/home/docs/").send().assert_text("home");
        client.get("/index/docs/").send().assert_text("index");
        client.get("/none/docs/").send().assert_status(404);
        client.get("/none/docs/home.html").send().assert_text("home");
    }
}
