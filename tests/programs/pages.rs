//! The pages of the examples in a real browser, with clicks and typing.
use std::path::{Path, PathBuf};

use crate::{
    browser::Browser,
    support::{Program, until},
};

/// Returns the path for a picture of a page. The pictures are for people to look at after a run.
pub(crate) fn picture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    folder.join(name)
}

#[pixie_browser_test::browser_test]
fn the_demo_runs_every_kind_from_its_first_page_and_lives_through_its_faults() {
    let Some(browser) = Browser::start() else { return };
    let demo = Program::start_with("demo", &[("PIXIE_WORKERS", "2")]);
    let home = format!("http://localhost:{}/", demo.port);
    browser.open(&home);
    browser.wait_for("worker 1, pid");
    let run = |path: &str| browser.click(&format!("article[data-path='{path}'] button"));
    let result = |path: &str, wanted: &str| {
        let script = format!("return document.querySelector(\"article[data-path='{path}'] .result\").textContent");
        until(&format!("{path} shows `{wanted}`"), || {
            browser.script(&script).as_str().is_some_and(|text| text.contains(wanted)).then_some(())
        });
    };
    // While a worker sleeps, the inline route answers.
    run("/sleep");
    run("/local");
    result("/local", "200 from main process");
    run("/proc");
    result("/proc", "200 from pool process");
    run("/async");
    result("/async", "200 from main process");
    run("/error");
    result("/error", "500 Internal Server Error");
    run("/error-local");
    result("/error-local", "500 Internal Server Error");
    run("/crash");
    result("/crash", "502 Bad Gateway");
    run("/sleep-timeout");
    run("/stream");
    result("/stream", "piece 2 of 10");
    result("/sleep", "200 from pool process");
    result("/sleep-timeout", "504 Gateway Timeout");
    result("/stream", "stream, pool process");
    browser.screenshot(&picture("demo.png"));
    browser.fill("#name", "<b>Ada</b>");
    browser.click("form button");
    browser.wait_for("Hello, <b>Ada</b>.");
}

#[test]
fn every_page_of_the_original_demo_is_there() {
    let mut demo = Program::start("demo");
    for path in ["/", "/local", "/proc", "/async", "/static_file", "/cached_file", "/file/kinds.svg", "/file/demo.css"]
    {
        assert_eq!(demo.get(path).status, 200, "{path}");
    }
    assert_eq!(demo.get("/file/missing").status, 404);
    assert_eq!(demo.get("/file/..%2fmain.rs").status, 404);
    assert_eq!(demo.get("/error").status, 500);
    assert_eq!(demo.get("/error-local").status, 500);
    assert_eq!(demo.get("/shutdown").status, 200);
    let stopped =
        demo.ask("POST /shutdown HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    assert_eq!(stopped.status, 200);
    assert_eq!(demo.wait(), Some(0));
}

#[pixie_browser_test::browser_test]
fn the_message_board_shows_what_was_posted_and_what_is_wrong() {
    let Some(browser) = Browser::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("board.redb");
    let board = Program::start_with("msgboard", &[("PIXIE_BOARD", file.to_str().expect("a path that is text"))]);
    browser.open(&format!("http://localhost:{}/", board.port));
    browser.wait_for("There are no posts yet.");
    browser.fill("#author", "Ada");
    browser.fill("#text", "   ");
    browser.click("form button");
    browser.wait_for("please write something here");
    assert_eq!(browser.script("return document.querySelector('#author').value"), "Ada");
    browser.fill("#text", "<script>alert(1)</script>");
    browser.click("form button");
    browser.wait_for("Your post is number 1.");
    browser.wait_for("<script>alert(1)</script>");
    browser.screenshot(&picture("msgboard.png"));
    browser.open(&format!("http://localhost:{}/", board.port));
    assert!(!browser.text().contains("Your post is number"), "the message is shown once");
}

#[test]
fn no_post_is_lost_when_many_post_at_once() {
    const CLIENTS: usize = 8;
    const POSTS: usize = 10;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("board.redb");
    let board = Program::start_with("msgboard", &[("PIXIE_BOARD", file.to_str().expect("a path that is text"))]);
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let board = &board;
            scope.spawn(move || {
                for number in 0..POSTS {
                    let form = format!("author=client+{client}&text=post+{number}");
                    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                                Content-Type: application/x-www-form-urlencoded";
                    let length = form.len();
                    let answer = board.ask(&format!("{head}\r\nContent-Length: {length}\r\n\r\n{form}"));
                    assert_eq!(answer.status, 303, "{}", answer.body);
                }
            });
        }
    });
    let page = board.get("/").body;
    assert_eq!(page.matches("<article").count(), 5);
    assert!(page.contains(&format!("post-{}\"", CLIENTS * POSTS)), "every post got a number of its own");
}

#[cfg(feature = "websocket")]
#[pixie_browser_test::browser_test]
fn two_browsers_chat_and_hear_that_the_server_stops() {
    let (Some(ada), Some(bo)) = (Browser::start(), Browser::start()) else { return };
    let mut chat = Program::start("chat");
    for (browser, name) in [(&ada, "Ada"), (&bo, "<i>Bo</i>")] {
        browser.open(&format!("http://localhost:{}/", chat.port));
        browser.fill("#name", name);
        browser.click("#enter button");
        browser.wait_for(&format!("{name} joined"));
    }
    ada.wait_for("<i>Bo</i> joined");
    ada.wait_for("Members: 2");
    bo.fill("#text", "hello <b>Ada</b>");
    bo.click("#say button");
    ada.wait_for("<i>Bo</i>: hello <b>Ada</b>");
    bo.wait_for("<i>Bo</i>: hello <b>Ada</b>");
    ada.screenshot(&picture("chat.png"));
    // Not by another page: a browser may keep the connection of a page to which its user can go back.
    drop(bo);
    ada.wait_for("<i>Bo</i> left");
    chat.signal("TERM");
    ada.wait_for("Closed (1012) the server stops or restarts");
    assert_eq!(chat.wait(), Some(0));
}

#[pixie_browser_test::browser_test]
fn a_picture_becomes_small_in_the_browser() {
    let Some(browser) = Browser::start() else { return };
    let thumbnails = Program::start("thumbnails");
    browser.open(&format!("http://localhost:{}/", thumbnails.port));
    let picture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/images/basn6a16.png");
    browser.fill("#picture", picture.to_str().expect("a path that is text"));
    browser.script("document.querySelector('#width').value = 16");
    browser.click("form button");
    until("the picture is shown", || (browser.script("return document.images.length") == 1).then_some(()));
    assert_eq!(browser.script("return document.images[0].naturalWidth"), 16);
}
