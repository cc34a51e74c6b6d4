//! Variables of `.env`: the next program gets them, and after an invalid line the running program continues.

use std::fs;

use crate::site::{Site, command, page, until};

/// An app whose page and pool route say what a variable holds.
fn telling() -> String {
    page("x")
        .replace("\"<!doctype html><h1>x</h1>\"", "format!(\"<!doctype html>{}\", said())")
        .replace("|_| \"x\"", "|_| said()")
        + "fn said() -> String {\n    std::env::var(\"PIXIE_TEST_WORD\").unwrap_or_default()\n}\n"
}

fn shows(site: &Site, word: &str) {
    until(&format!("the page shows {word}"), || site.page("/").body.contains(word).then_some(()));
}

#[test]
fn an_edit_of_env_is_seen_by_the_next_program_and_its_workers() {
    let folder = Site::project("variables", &telling());
    fs::write(folder.join(".env"), "PIXIE_TEST_WORD='pa$$word'\nPIXIE_DEV=0\n").expect("a file");
    let site = Site::launch_as(command(&folder, &[]));
    site.says("ready in");
    assert!(site.page("/").body.contains("pa$$word"));
    assert_eq!(site.get("/pool").body, "pa$$word");
    site.write(".env", "PIXIE_TEST_WORD=another\n");
    shows(&site, "another");
    fs::remove_file(folder.join(".env")).expect("it was there");
    until("the variable is gone", || site.get("/pool").body.is_empty().then_some(()));
}

#[test]
fn what_one_machine_has_of_its_own_wins_over_what_is_shared() {
    let folder = Site::project("local-variables", &telling());
    fs::write(folder.join(".env"), "PIXIE_TEST_WORD=shared\n").expect("a file");
    fs::write(folder.join(".env.local"), "PIXIE_TEST_WORD=local\n").expect("a file");
    let site = Site::launch_as(command(&folder, &[]));
    site.says("ready in");
    assert_eq!(site.get("/pool").body, "local");
    site.write(".env.local", "PIXIE_TEST_WORD=edited\n");
    shows(&site, "edited");
    fs::remove_file(folder.join(".env.local")).expect("it was there");
    shows(&site, "shared");
}

#[test]
fn a_variable_that_is_set_already_stays() {
    let folder = Site::project("set-already", &telling());
    fs::write(folder.join(".env"), "PIXIE_TEST_WORD=inside\n").expect("a file");
    let mut command = command(&folder, &[]);
    command.env("PIXIE_TEST_WORD", "outside");
    let site = Site::launch_as(command);
    site.says("ready in");
    assert!(site.page("/").body.contains("outside"));
}

#[test]
fn a_line_of_env_that_cannot_be_read_is_named_while_the_old_program_serves() {
    let site = Site::start("unreadable", &telling());
    let mut events = site.events();
    site.write(".env", "# words\nPIXIE_TEST_WORD=two words\n");
    let failed = events.next("failed");
    assert!(failed.contains("/.env:2") && failed.contains("NAME=value"), "{failed}");
    site.says("invalid line in .env; the program before it still serves");
    assert_eq!(site.page("/").status, 200);
    site.write(".env", "PIXIE_TEST_WORD='two words'\n");
    events.next("ok");
    shows(&site, "two words");
}

#[test]
fn a_session_that_begins_with_such_a_line_goes_on_when_it_is_mended() {
    let folder = Site::project("unreadable-first", &telling());
    fs::write(folder.join(".env"), "PIXIE_TEST_WORD\n").expect("a file");
    let site = Site::launch_as(command(&folder, &[]));
    site.says("--> ");
    until("the page says so", || site.page("/").body.contains(".env:1").then_some(()));
    site.write(".env", "PIXIE_TEST_WORD=mended\n");
    shows(&site, "mended");
}

#[test]
fn the_port_comes_from_env_too() {
    let folder = Site::project("ported", &telling());
    fs::write(folder.join(".env"), "PIXIE_PORT=0\n").expect("a file");
    let mut command = command(&folder, &[]);
    command.env_remove("PIXIE_PORT");
    let site = Site::launch_as(command);
    // Any that is free, and so never the one without the file.
    assert_ne!(site.port, 8000);
    site.says("ready in");
}

#[test]
fn a_port_in_env_that_is_none_is_named() {
    let folder = Site::project("no-port", &telling());
    fs::write(folder.join(".env"), "PIXIE_PORT=many\n").expect("a file");
    let output = command(&folder, &[]).env_remove("PIXIE_PORT").output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("invalid PIXIE_PORT `many`") && said.contains("/.env"), "{said}");
}
