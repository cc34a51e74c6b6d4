//! Pages in a real browser: reload, style sheets, overlay, the page of a panic. Their pictures are kept.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    browser::Browser,
    builds,
    site::{Site, command, isolated, until},
};

/// An app with a form, a style sheet, and a route that panics.
fn source(word: &str) -> String {
    format!(
        r#"use pixie_web::{{App, Folder, Html, Route}};

fn shelf() -> String {{
    let books: Vec<&str> = vec![];
    books[3].to_owned()
}}

fn main() -> pixie_web::Result<()> {{
    App::new()
        .route(Route::get("/").sync(|_| Html(PAGE)))
        .route(Route::get("/shelf").sync(|_| shelf()))
        .folder("/static", Folder::new("static"))
        .run()
}}

const PAGE: &str = "<!doctype html><title>{word}</title>
    <meta name=color-scheme content='light dark'><link rel=stylesheet href=/static/app.css>
    <h1>{word}</h1><form><input name=name id=name></form>";
"#
    )
}

/// Where pictures go, to be looked at after a run.
fn picture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    fs::create_dir_all(&folder).expect("the folder can be made");
    folder.join(format!("{name}.png"))
}

/// Takes the picture of a page in both schemes.
pub(crate) fn take_pictures(browser: &Browser, name: &str, width: u32, height: u32) {
    for scheme in ["light", "dark"] {
        browser.look(scheme, width, height);
        browser.screenshot(&picture(&format!("{name}-{scheme}")));
    }
}

fn mark(browser: &Browser) {
    browser.script("window.mark = 1");
}

fn is_marked(browser: &Browser) -> bool {
    browser.script("return window.mark === 1") == true
}

#[pixie_browser_test::browser_test]
fn every_browser_reloads_and_what_was_typed_stays() {
    let (Some(one), Some(other)) = (Browser::start(), Browser::start()) else { return };
    let site = Site::start("reloading", &source("first"));
    for browser in [&one, &other] {
        browser.open(&format!("http://localhost:{}/", site.port));
        browser.fill("#name", "Ada");
        mark(browser);
    }
    site.write("src/main.rs", &source("second"));
    for browser in [&one, &other] {
        browser.wait_for("second");
        assert!(!is_marked(browser));
        until("what was typed is back", || {
            (browser.script("return document.querySelector('#name').value") == "Ada").then_some(())
        });
    }
}

#[pixie_browser_test::browser_test]
fn a_page_that_waits_for_the_first_program_turns_into_it_by_itself() {
    let Some(browser) = Browser::start() else { return };
    let site = Site::launch("waiting", "fn main() { broken }");
    browser.open(&format!("http://localhost:{}/", site.port));
    browser.wait_for("cannot find value `broken`");
    take_pictures(&browser, "waiting", 960, 460);
    site.write("src/main.rs", &source("at last"));
    browser.wait_for("at last");
}

#[pixie_browser_test::browser_test]
fn a_page_that_was_left_open_finds_the_next_session_by_itself() {
    let Some(browser) = Browser::start() else { return };
    let site = Site::start("returning", &source("yesterday"));
    browser.open(&format!("http://localhost:{}/", site.port));
    browser.wait_for("yesterday");
    site.signal("INT");
    assert_eq!(site.wait(), Some(0));
    site.write("src/main.rs", &source("today"));
    let _next = Site::launch_as(command(&site.folder, &["--strict-port", "--port", &site.port.to_string()]));
    browser.wait_for("today");
}

#[pixie_browser_test::browser_test]
fn a_style_sheet_is_swapped_without_a_reload() {
    let Some(browser) = Browser::start() else { return };
    let site = Site::start("swapping", &source("styled"));
    browser.open(&format!("http://localhost:{}/", site.port));
    mark(&browser);
    // The news come over a stream that the script opens after the page is there.
    until("the page listens", || {
        let script =
            "return performance.getEntriesByType('resource').some((entry) => entry.name.includes('/__pixie/dev.js'))";
        (browser.script(script) == true).then_some(())
    });
    let mut width = 0;
    until("the heading has another color", || {
        // A page that does not listen yet misses an edit, so there are more of them.
        width += 1;
        site.write("static/app.css", &format!("h1 {{ color: rgb(1, 2, 3); border: {width}px solid }}"));
        let color = browser.script("return getComputedStyle(document.querySelector('h1')).color");
        (color == "rgb(1, 2, 3)").then_some(())
    });
    assert!(is_marked(&browser), "the page was loaded anew");
    until("the old sheet goes", || {
        (browser.script("return document.querySelectorAll('link').length") == 1).then_some(())
    });
}

#[pixie_browser_test::browser_test]
fn the_overlay_shows_the_error_and_goes() {
    let Some(browser) = Browser::start() else { return };
    let folder = Site::project("overlaid", &source("good"));
    let mut command = command(&folder, &[]);
    command.env("CLICOLOR_FORCE", "1");
    let site = Site::launch_as(command);
    site.says("ready in");
    browser.open(&format!("http://localhost:{}/", site.port));
    let overlay = || {
        let script = "return document.querySelector('pixie-overlay')?.shadowRoot.textContent ?? ''";
        browser.script(script).as_str().unwrap_or_default().to_owned()
    };
    site.write("src/main.rs", &source("good").replace("books[3].to_owned()", "books.first()"));
    until("the overlay is there", || overlay().contains("mismatched types").then_some(()));
    let text = overlay();
    assert!(text.contains("the build failed") && text.contains("src/main.rs:5:5"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    take_pictures(&browser, "overlay", 960, 460);
    browser.look("light", 390, 700);
    let beyond = "const pre = document.querySelector('pixie-overlay').shadowRoot.querySelector('pre');\
                  return pre.scrollWidth - pre.clientWidth";
    assert_eq!(browser.script(beyond), 0, "long lines are wrapped");
    // It is there for who comes later too, and hidden on request.
    browser.open(&format!("http://localhost:{}/", site.port));
    until("the overlay is there again", || overlay().contains("src/main.rs:5:5").then_some(()));
    browser.script("window.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape' }))");
    assert_eq!(overlay(), "");
    browser.open(&format!("http://localhost:{}/", site.port));
    until("the overlay is there again", || overlay().contains("src/main.rs:5:5").then_some(()));
    site.write("src/main.rs", &source("better"));
    browser.wait_for("better");
    assert_eq!(overlay(), "");
}

#[pixie_browser_test::browser_test]
fn a_panic_shows_its_place_its_source_and_the_request_in_development_only() {
    let Some(browser) = Browser::start() else { return };
    let site = Site::start("panicked", &source("x"));
    browser.open(&format!("http://localhost:{}/shelf?name=x", site.port));
    browser.wait_for("src/main.rs:5:10");
    let text = browser.text();
    for part in ["500", "index out of bounds", "let books: Vec<&str> = vec![];", "GET /shelf?name=x"] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    let headers = browser.script("return document.querySelector('details').textContent");
    assert!(headers.as_str().is_some_and(|headers| headers.contains("localhost")), "{headers}");
    assert_eq!(browser.script("return document.querySelector('mark').innerText.trim()"), "5      books[3].to_owned()");
    take_pictures(&browser, "panic", 960, 900);

    let program = builds::target().join("debug/panicked");
    let mut alone = Command::new(program);
    isolated(&mut alone).env("PIXIE_DEV", "0").env("PIXIE_PORT", "0").current_dir(&site.folder).stdout(Stdio::piped());
    let mut alone = alone.spawn().expect("it starts");
    let mut lines = BufReader::new(alone.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    let port = lines.find_map(|line| line.trim().strip_prefix("listening on http://localhost:").map(str::to_owned));
    browser.open(&format!("http://localhost:{}/shelf?name=x", port.expect("it says its port")));
    browser.wait_for("500");
    let (text, html) = (browser.text(), browser.script("return document.documentElement.outerHTML").to_string());
    alone.kill().and_then(|()| alone.wait()).expect("it ends");
    for secret in ["main.rs", "books", "index out of bounds", "/shelf", "__pixie"] {
        assert!(!text.contains(secret) && !html.contains(secret), "`{secret}` in {html}");
    }
}
