//! The OpenAPI document of an example, judged by programs that others wrote, and its page in a real browser.
use std::{path::Path, process::Command};

use crate::{
    browser::Browser,
    openapi_tools,
    pages::picture,
    status_page::CONTRAST,
    support::{Program, example, until},
};

#[test]
fn a_validator_accepts_the_document_that_the_program_prints() {
    let output = Command::new(example("openapi")).env("PIXIE_DUMP", "openapi").output().expect("the example runs");
    openapi_tools::validate(Path::new(env!("CARGO_MANIFEST_DIR")), &output.stdout);
}

#[test]
fn schemathesis_finds_no_answer_that_the_document_does_not_describe() {
    let program = Program::start("openapi");
    openapi_tools::explore(Path::new(env!("CARGO_MANIFEST_DIR")), program.port, "Bearer demo", &[]);
}

#[test]
fn the_page_shows_operations_and_sends_requests() {
    let Some(browser) = Browser::start() else { return };
    let program = Program::start("openapi");
    browser.open(&format!("http://localhost:{}/docs", program.port));
    browser.wait_for("Lists the books.");
    assert_eq!(browser.script("return document.title"), "Library");
    assert!(!browser.text().contains("nobody needs to read about it"), "hidden routes are not shown");
    // A parameter of the query.
    browser.click("#books summary");
    browser.fill("#books [name=limit]", "1");
    browser.click("#books button");
    result(&browser, "books", &["200 OK", "\"Middlemarch\"", "\"total\": 2"]);
    // A body, and credentials.
    browser.click("#add_book summary");
    browser.click("#add_book button");
    result(&browser, "add_book", &["401 Unauthorized"]);
    browser.fill("#access-bearer", "demo");
    browser.click("#add_book button");
    result(&browser, "add_book", &["201 Created", "\"title\": \"x\""]);
    // A wildcard, and the fields of a form.
    browser.click("#vote summary");
    browser.fill("#vote [name=stars]", "4");
    browser.click("#vote button");
    result(&browser, "vote", &["200 OK", "4 stars for Middlemarch"]);
    // A file.
    let file = picture("cover.txt");
    std::fs::write(&file, "twelve bytes").expect("the file can be written");
    browser.click("#cover summary");
    browser.fill("#cover [name=picture]", file.to_str().expect("a path that is text"));
    browser.click("#cover button");
    result(&browser, "cover", &["200 OK", "12 bytes"]);
    for (scheme, width, name) in
        [("light", 1100, "light"), ("dark", 1100, "dark"), ("light", 400, "phone"), ("dark", 400, "phone-dark")]
    {
        browser.look(scheme, width, 900);
        let contrast = browser.script(CONTRAST).as_f64();
        assert!(contrast >= Some(4.5), "{name}: the contrast is {contrast:?}");
        let beyond = browser.script("return document.documentElement.scrollWidth - innerWidth").as_f64();
        assert!(beyond <= Some(0.0), "{name}: the page is {beyond:?} pixels too wide");
        browser.screenshot(&picture(&format!("openapi-{name}.png")));
    }
    browser.fill("#find", "vote");
    let shown = "return [...document.querySelectorAll('details')].filter(node => node.checkVisibility()).length";
    until("only the operation with the text is left", || (browser.script(shown) == 1).then_some(()));
    let foreign = "return performance.getEntriesByType('resource').filter(({name}) => !name.startsWith(origin)).length";
    assert_eq!(browser.script(foreign), 0, "it loads nothing from another host");
}

/// Waits until the answer to a request of an operation has all these texts.
fn result(browser: &Browser, operation: &str, wanted: &[&str]) {
    let script = format!("return document.querySelector('#{operation} [role=status]').innerText");
    until(&format!("the answer of {operation} shows {wanted:?}"), || {
        let text = browser.script(&script);
        wanted.iter().all(|part| text.as_str().is_some_and(|text| text.contains(part))).then_some(())
    });
}
