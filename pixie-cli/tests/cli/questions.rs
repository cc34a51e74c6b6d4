//! The questions of `pixie new` on a terminal: a pseudo-terminal stands in for a person's.

use crate::{support::World, terminal::Terminal};

#[test]
fn each_question_of_the_app_template_is_asked_and_heard() {
    let world = World::new();
    let terminal = Terminal::open();
    // Without crates of this machine, other machines can build the project, so the last two questions make sense.
    let mut new = world.pixie(&["new"]);
    new.env("PIXIE_NEW_CRATES", "registry");
    let mut pixie = terminal.run_raw(new);
    for (question, keys) in [
        ("Name", "fn\r"),
        ("keyword of Rust", "\u{15}blog\r"),
        ("Template", "\u{1b}[B\r"),
        ("A Dockerfile?", "n"),
        ("A GitHub workflow?", "y"),
    ] {
        terminal.sees(question);
        terminal.types(keys);
    }
    assert_eq!(pixie.wait().unwrap().code(), Some(0));
    assert!(!world.root.join("blog/Dockerfile").exists());
    assert!(world.root.join("blog/.github/workflows/ci.yml").exists());
}

#[test]
fn nothing_is_asked_after_yes() {
    let world = World::new();
    let mut pixie = Terminal::open().run_raw(world.pixie(&["new", "blog", "--yes"]));
    assert_eq!(pixie.wait().unwrap().code(), Some(0));
    assert!(world.root.join("blog/Cargo.toml").exists());
}

#[test]
fn ctrl_c_at_a_question_ends_with_130_and_leaves_nothing() {
    let world = World::new();
    let terminal = Terminal::open();
    let mut pixie = terminal.run_raw(world.pixie(&["new", "blog"]));
    terminal.sees("Template");
    terminal.types("\u{3}");
    assert_eq!(pixie.wait().unwrap().code(), Some(130));
    assert!(!world.root.join("blog").exists());
}
