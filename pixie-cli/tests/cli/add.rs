//! `pixie add`: what it shows, what it writes, what it refuses, and what it leaves as it is.

use std::{fs, os::unix::process::ExitStatusExt, process::Command};

use insta::assert_snapshot;

use crate::{
    support::{World, environment},
    terminal::Terminal,
};

const MANIFEST: &str = "\
[package]
name = \"blog\"
version = \"0.1.0\"
edition = \"2024\"

[dependencies]
# The framework.
pixie-web = { path = \"web\" } # not from the registry

[workspace]
";
const MAIN: &str = "\
//! A blog.

use pixie_web::{App, Result, get};

#[get(\"/posts/<number:int>\", sync)]
fn post(number: u32) -> String {
    number.to_string()
}

fn app() -> App {
    App::collect()
}

fn main() -> Result<()> {
    app().run()
}
";

/// A world with an app that somebody has written, and a stand-in for pixie-web.
fn blog() -> World {
    let world = World::new();
    world.write("Cargo.toml", MANIFEST);
    world.write("web/Cargo.toml", "[package]\nname = \"pixie-web\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
    world.write("web/src/lib.rs", "");
    world.write("src/main.rs", MAIN);
    world
}

fn read(world: &World, path: &str) -> String {
    fs::read_to_string(world.root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn exists(world: &World, path: &str) -> bool {
    world.root.join(path).exists()
}

#[test]
fn each_addition_is_shown_as_a_difference() {
    let world = blog();
    assert_snapshot!(world.run(&["add", "route", "users", "--dry-run"]));
    assert_snapshot!(world.run(&["add", "template", "person", "--path", "/people/<name>", "--dry-run"]));
    assert_snapshot!(world.run(&["add", "pool", "pdf-files", "--dry-run"]));
    assert_snapshot!(world.run(&["add", "login", "accounts", "--path", "/members", "--dry-run"]));
    assert_eq!(read(&world, "src/main.rs"), MAIN);
    assert!(!exists(&world, "src/users.rs") && !exists(&world, "templates"));
}

#[test]
fn the_difference_is_a_patch_of_what_is_written() {
    let (patched, written) = (blog(), blog());
    let output = patched.pixie(&["add", "login", "accounts", "--dry-run"]).output().unwrap();
    fs::write(patched.root.join("patch"), output.stdout).unwrap();
    let mut git = Command::new("git");
    environment::clean(&mut git).args(["apply", "patch"]).current_dir(&patched.root);
    git.env("GIT_CEILING_DIRECTORIES", patched.root.parent().unwrap());
    assert!(git.status().unwrap().success());
    assert!(written.run(&["add", "login", "accounts", "--yes"]).starts_with("code 0\n"));
    for file in ["src/main.rs", "src/accounts.rs", "templates/accounts.html", "Cargo.toml", "pixie.toml"] {
        assert_eq!(read(&patched, file), read(&written, file), "{file}");
    }
}

#[test]
fn all_kinds_methods_and_wildcards_make_valid_files() {
    let world = blog();
    for (kind, method, path, expected) in [
        ("sync", "get", "/a/<id:int>", "fn a0(id: i64) -> String"),
        ("thread", "PUT", "/a/<body>", "fn a1(body: String, bytes: Bytes) -> String"),
        ("async", "post", "/b", "async fn a2(body: Bytes) -> String"),
        ("pool", "delete", "/<id:uuid>/<rest:path>", "#[delete(\"/<id:uuid>/<rest:path>\", pool)]"),
        ("stream", "patch", "/c/<x:float>", "fn a4(x: f64, body: Bytes) -> impl Iterator<Item = String>"),
    ] {
        let name =
            format!("a{}", ["sync", "thread", "async", "pool", "stream"].iter().position(|k| *k == kind).unwrap());
        let options = ["--kind", kind, "--method", method, "--path", path, "--yes"];
        let shown = world.run(&[&["add", "route", &name][..], &options].concat());
        assert!(shown.starts_with("code 0\n"), "{shown}");
        let text = read(&world, &format!("src/{name}.rs"));
        assert!(text.contains(expected), "{text}");
    }
    world.run(&["add", "route", "a5", "--path", "/über uns", "--yes"]);
    assert!(read(&world, "src/a5.rs").contains(".get(\"/%C3%BCber%20uns\")"));
    let modules: Vec<_> = (0..6).map(|number| format!("mod a{number};\n")).collect();
    assert_eq!(read(&world, "src/main.rs"), MAIN.replace("use pixie", &format!("{}\nuse pixie", modules.concat())));
}

#[test]
fn names_and_paths_that_cannot_work_are_refused_with_better_ones() {
    let world = blog();
    let mut shown = String::new();
    for arguments in [
        &["route", "Admin-Page"][..],
        &["template", "users/new"],
        &["route", "type"],
        &["pool", "2x"],
        &["route", "naïve page"],
        &["login", "a__b"],
        &["route", "users", "--path", "users"],
        &["route", "users", "--path", "/<type>"],
        &["login", "users", "--path", "/<tenant>"],
        &["route", "users", "--path", "/a\"b"],
        &["route", "users", "--kind", "process"],
    ] {
        shown +=
            &format!("pixie add {}\n{}\n", arguments.join(" "), world.run(&[&["add"], arguments, &["--yes"]].concat()));
    }
    assert_snapshot!(shown);
    assert_eq!(read(&world, "src/main.rs"), MAIN);
}

#[test]
fn what_the_app_has_already_is_named_with_its_place() {
    let world = blog();
    world.write(
        "src/main.rs",
        &MAIN.replace("use pixie", "mod pages;\nmod tools {}\n\nuse serde::Deserialize;\nuse pixie"),
    );
    world.write(
        "src/pages.rs",
        "use pixie_web::{Pool, Route};\n\n#[pixie_web::route(\"/about\", GET, POST)]\nfn about() {}\n\n\
        fn more() {\n    let _ = (Route::get(\"/by-hand\"), Pool::named(\"files\"));\n}\n",
    );
    world.write("src/left.rs", "// Not a module.\n");
    let mut shown = String::new();
    for arguments in [
        &["route", "pages"][..],
        &["route", "tools"],
        &["route", "deserialize", "--path", "/posts/<id:int>"],
        &["route", "left"],
        &["route", "main"],
        &["route", "pixie-web"],
        &["route", "info", "--path", "/about", "--method", "post"],
        &["route", "hand", "--path", "/by-hand"],
        &["pool", "files"],
    ] {
        shown +=
            &format!("pixie add {}\n{}\n", arguments.join(" "), world.run(&[&["add"], arguments, &["--yes"]].concat()));
    }
    assert_snapshot!(shown);
    // Another method, or another filter, is another route.
    assert!(world.run(&["add", "route", "info", "--path", "/about", "--method", "put", "--yes"]).starts_with("code 0"));
    assert!(world.run(&["add", "route", "named", "--path", "/posts/<name>", "--yes"]).starts_with("code 0"));
}

#[test]
fn a_file_keeps_the_form_that_its_author_gave_it() {
    let world = blog();
    let main = "// A license.\r\n\r\nuse pixie_web::{get,  App};\r\n\r\n// All of it.\r\npub fn   app() -> App { App :: collect ( )  }   \r\nfn main() {}";
    world.write("src/main.rs", main);
    assert!(world.run(&["add", "pool", "pdf", "--yes"]).starts_with("code 0\n"));
    let expected = main.replace("use pixie", "mod pdf;\r\n\r\nuse pixie").replace("( )", "( ).pool(pdf::pool())");
    assert_eq!(read(&world, "src/main.rs"), expected);
}

#[test]
fn the_manifest_keeps_its_comments_in_every_form() {
    for (dependency, expected) in [
        ("pixie-web = { path = \"web\" }", "pixie-web = { path = \"web\", features = [\"template\"] }"),
        ("pixie-web.path = \"web\"", "pixie-web.path = \"web\"\npixie-web.features = [\"template\"]"),
        (
            "pixie-web = { path = \"web\", features = [\"template\"] }",
            "pixie-web = { path = \"web\", features = [\"template\"] }",
        ),
    ] {
        let world = blog();
        world.write(
            "web/Cargo.toml",
            "[package]\nname = \"pixie-web\"\nversion = \"0.1.0\"\n[features]\ntemplate = []\n",
        );
        let manifest = MANIFEST.replace("pixie-web = { path = \"web\" }", dependency);
        world.write("Cargo.toml", &manifest);
        let shown = world.run(&["add", "template", "about", "--yes"]);
        assert!(shown.starts_with("code 0\n"), "{shown}");
        let (written, expected) = (read(&world, "Cargo.toml"), manifest.replace(dependency, expected));
        assert_eq!(written.replace(" # not from the registry", ""), expected.replace(" # not from the registry", ""));
        assert!(written.contains("# The framework.") && written.contains("# not from the registry"), "{written}");
    }
}

#[test]
fn what_cannot_be_inserted_is_said() {
    let world = blog();
    world.write(
        "src/main.rs",
        "use pixie_web::App;\n\nfn main() {\n    App::collect().run();\n    App::collect().run();\n}\n",
    );
    assert_snapshot!(world.run(&["add", "pool", "pdf", "--yes"]));
    world.write("src/main.rs", "use pixie_web::App;\n\nfn main() {\n    App::new().run();\n}\n");
    assert_snapshot!(world.run(&["add", "route", "users", "--yes"]));
    world.write("src/main.rs", "use pixie_web::run;\n\nfn main() {\n    run();\n}\n");
    let notes = |shown: String| shown.split_once("cargo test").map(|(_, notes)| notes.to_owned()).unwrap();
    assert_eq!(notes(world.run(&["add", "route", "visits", "--yes"])), " visits\n");
    assert_snapshot!(notes(world.run(&["add", "pool", "images", "--yes"])));
    world.write("src/main.rs", "fn main() {\n");
    assert_snapshot!(world.run(&["add", "route", "more", "--yes"]));
    world.write("src/main.rs", MAIN);
    world.write("web/Cargo.toml", "[package]\nname = \"web\"\nversion = \"0.1.0\"\n");
    world.write("Cargo.toml", &MANIFEST.replace("pixie-web =", "web ="));
    assert_snapshot!(world.run(&["add", "route", "more", "--yes"]));
}

#[test]
fn an_app_in_the_library_of_its_package_gets_the_module_there() {
    let world = blog();
    world.write("src/lib.rs", &MAIN.replace("fn app", "pub fn app").replace("fn main", "pub fn serve"));
    world.write("src/main.rs", "fn main() {\n    blog::serve().unwrap();\n}\n");
    assert!(world.run(&["add", "route", "users", "--yes"]).starts_with("code 0\n"));
    assert!(read(&world, "src/lib.rs").contains("mod users;\n") && !read(&world, "src/main.rs").contains("users"));
}

#[test]
fn without_a_terminal_nothing_is_written_unless_yes_says_so() {
    let world = blog();
    assert_snapshot!(world.run(&["add", "route", "users"]));
    assert!(!exists(&world, "src/users.rs"));
    let shown = world.run(&["add", "route", "users", "--yes", "--quiet"]);
    assert!(shown.ends_with("--- stderr\n") && exists(&world, "src/users.rs"), "{shown}");
}

#[test]
fn on_a_terminal_the_answer_decides() {
    let world = blog();
    for (key, is_written) in [("n", false), ("y", true)] {
        let terminal = Terminal::open();
        let mut pixie = terminal.run_raw(world.pixie(&["add", "route", "users"]));
        terminal.sees("Write these 2 files?");
        terminal.types(key);
        assert_eq!(pixie.wait().unwrap().code(), Some(0));
        assert_eq!(exists(&world, "src/users.rs"), is_written);
    }
    let terminal = Terminal::open();
    let mut pixie = terminal.run_raw(world.pixie(&["add", "route", "more"]));
    terminal.sees("Write these 2 files?");
    terminal.types("\u{3}");
    assert_eq!(pixie.wait().unwrap().code(), Some(130));
    assert!(!exists(&world, "src/more.rs"));
}

#[test]
fn a_difference_has_colors_only_where_they_are_wanted() {
    let world = blog();
    let shown = world.run(&["--color", "always", "add", "route", "users", "--dry-run"]);
    assert!(shown.contains("\u{1b}[32m+mod users;\u{1b}[0m\n") && shown.contains("\u{1b}[36m@@ "), "{shown:?}");
    assert!(!world.run(&["add", "route", "users", "--dry-run"]).contains('\u{1b}'));
}

/// A process that writes more than its limit is killed by the kernel while it writes.
#[test]
fn a_killed_process_leaves_every_file_as_it_was() {
    let world = blog();
    let pixie = world.pixie(&["add", "login", "accounts", "--yes"]);
    let mut shell = Command::new("bash");
    shell.args(["-c", "ulimit -f 4; exec \"$0\" \"$@\""]).arg(pixie.get_program()).args(pixie.get_args());
    // cargo's own files are written before.
    world.run(&["add", "route", "users", "--dry-run"]);
    let status =
        environment::clean(&mut shell).current_dir(&world.root).stdout(std::process::Stdio::null()).status().unwrap();
    assert_eq!(status.signal(), Some(25), "{status}");
    assert_eq!((read(&world, "src/main.rs"), read(&world, "Cargo.toml")), (MAIN.to_owned(), MANIFEST.to_owned()));
    assert!(!exists(&world, "src/accounts.rs") && !exists(&world, "templates/accounts.html"));
    assert!(world.run(&["add", "login", "accounts", "--yes"]).starts_with("code 0\n"));
}
