//! The OpenAPI document of an example, judged by programs that others wrote, and its page in a real browser.
use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    browser::Browser,
    pages::picture,
    status_page::CONTRAST,
    support::{Program, example, until},
};

/// Requests that schemathesis makes for each operation, beside those that it derives from the schemas. With these
/// numbers the test takes some seconds, and two requests of the same kind differ.
const EXAMPLES: &str = "--max-examples=15";

/// Returns a program of the virtual environment that `.ci/run` makes, or `None` with a message. If `CI` is set,
/// it panics.
fn tool(name: &str) -> Option<PathBuf> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/openapi/bin").join(name);
    if file.exists() {
        return Some(file);
    }
    let missing = "NOT TESTED: there is no `target/openapi`; `.ci/run` has the two commands that install it";
    assert!(std::env::var_os("CI").is_none(), "{missing}");
    eprintln!("\n*** {missing} ***\n");
    None
}

fn judge(mut command: Command) {
    let output = command.output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_validator_accepts_the_document_that_the_program_prints() {
    let Some(validator) = tool("openapi-spec-validator") else { return };
    let output = Command::new(example("openapi")).env("PIXIE_DUMP", "openapi").output().expect("the example runs");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("openapi.json");
    std::fs::write(&file, output.stdout).expect("the document can be written");
    let mut command = Command::new(validator);
    command.arg("--errors=all").arg(file);
    judge(command);
}

#[test]
fn schemathesis_finds_no_answer_that_the_document_does_not_describe() {
    let Some(schemathesis) = tool("schemathesis") else { return };
    let program = Program::start("openapi");
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(schemathesis);
    command
        .arg("run")
        .arg(format!("http://127.0.0.1:{}/openapi.json", program.port))
        .args(["--header=Authorization: Bearer demo", "--seed=7", EXAMPLES, "--no-color"])
        .env("SCHEMATHESIS_HOOKS", "openapi_hooks")
        .env("PYTHONPATH", Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(folder.path());
    judge(command);
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
