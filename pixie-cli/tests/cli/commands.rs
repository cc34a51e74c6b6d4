//! The other commands: what they print, and how they end.

use insta::assert_snapshot;

use crate::support::World;

const PROGRAM: &str = "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";

#[test]
fn help_lists_the_commands_and_the_exit_codes() {
    assert_snapshot!(World::new().run(&["--help"]));
}

#[test]
fn help_of_new_explains_every_flag() {
    assert_snapshot!(World::new().run(&["new", "--help"]));
}

#[test]
fn wrong_usage_ends_with_2() {
    assert_snapshot!(World::new().run(&["new", "blog", "--template", "nope"]));
    assert_snapshot!(World::new().run(&["-C", "nowhere", "check"]));
}

#[test]
fn every_shell_gets_completions() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let shown = World::new().run(&["completions", shell]);
        assert!(shown.starts_with("code 0") && shown.contains("dry-run"), "{shell}: {shown}");
        assert!(!shown.contains("__generate"), "{shell} proposes a hidden command");
    }
}

#[cfg(unix)]
#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    for command in [&["completions", "bash"][..], &["man"], &["new", "blog", "--json"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = World::new().pixie(command).stdout(writer).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{}", World::new().shown(&output));
    }
}

#[test]
fn each_command_has_a_manual_page() {
    let world = World::new();
    assert!(world.run(&["man"]).contains(".TH pixie 1"));
    assert_eq!(world.run(&["man", "pages"]), "code 0\n--- stdout\n--- stderr\n");
    for page in ["pixie", "pixie-new", "pixie-init", "pixie-run", "pixie-build", "pixie-deploy", "pixie-check"] {
        assert!(world.root.join("pages").join(format!("{page}.1")).is_file(), "no page {page}");
    }
}

#[test]
fn a_build_tells_the_size_of_the_program() {
    let world = World::new();
    world.write("Cargo.toml", PROGRAM);
    world.write("src/main.rs", "fn main() {}\n");
    let shown = world.run(&["build", "--debug"]);
    assert!(shown.starts_with("code 0\n--- stdout\n--- stderr\n"), "{shown}");
    assert!(shown.contains("       Built target/debug/tiny (") && shown.contains(" MiB) in "), "{shown}");
    let json = world.run(&["build", "--debug", "--json"]);
    assert!(json.contains("\"path\": \"[DIR]/target/debug/tiny\"") && json.contains("\"bytes\": "), "{json}");
}

#[test]
fn a_build_of_an_app_tells_its_routes_and_pools_too() {
    let world = World::new();
    let row = |path: &str, kind: &str, pool: &str| {
        format!(
            r#"{{"methods":["GET"],"path":"{path}","kind":"{kind}","pool":{pool},"handler":"h","file":"f","line":1}}"#
        )
    };
    let rows = [row("/", "sync", "null"), row("/a", "pool", "\"default\""), row("/b", "pool", "\"images\"")].join(",");
    let told = format!("starting\n{{\"routes\":[{rows}]}}");
    write_app(
        &world,
        &format!(
            "fn main() {{\n    assert_eq!(std::env::var(\"PIXIE_DUMP\").as_deref(), Ok(\"routes\"));\n    println!(\"{{}}\", r#\"{told}\"#);\n}}\n"
        ),
    );
    let shown = world.run(&["build", "--debug"]);
    assert!(shown.contains("      Routes 3 (2 pool, 1 sync)\n       Pools default, images\n"), "{shown}");
    let output = world.pixie(&["build", "--debug", "--json"]).output().unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let program = &summary["programs"][0];
    assert_eq!((&program["routes"], &program["kinds"]["pool"]), (&3.into(), &2.into()), "{summary}");
    assert_eq!(program["pools"], serde_json::json!(["default", "images"]), "{summary}");
    world.write("src/main.rs", "fn main() {}\n");
    let shown = world.run(&["build", "--debug"]);
    assert!(shown.starts_with("code 0\n") && shown.contains("warning: `tiny` did not report its routes"), "{shown}");
}

#[test]
fn routes_of_a_program_that_fails_are_answered_with_its_own_reason() {
    let world = World::new();
    write_app(&world, "fn main() {\n    eprintln!(\"Error: there is no secret\");\n    std::process::exit(1);\n}\n");
    let shown = world.run(&["routes"]);
    let (reason, ours) = shown.split_once("Error: there is no secret\n").unwrap_or_else(|| panic!("{shown}"));
    assert_eq!(reason, "code 1\n--- stdout\n--- stderr\n");
    assert_eq!(
        ours,
        "error: `tiny` failed before it reported its routes (exit status: 1)\n\
         help: fix the error above; if the app needs variables, set them in .env\n"
    );
}

#[test]
fn config_shows_what_the_program_says_about_its_settings() {
    let world = World::new();
    let told = r##"{"settings":[{"name":"port"}],"files":["pixie.toml"],"text":"Files: pixie.toml\n\n[app]\n  port  80  code"}"##;
    let main = "fn main() {\n    assert_eq!(std::env::var(\"PIXIE_DUMP\").as_deref(), Ok(\"config\"));\n";
    write_app(&world, &format!("{main}    println!(\"{{}}\", r#\"{told}\"#);\n}}\n"));
    let shown = world.run(&["config"]);
    assert!(shown.contains("--- stdout\nFiles: pixie.toml\n\n[app]\n  port  80  code\n---"), "{shown}");
    let output = world.pixie(&["config", "--json"]).output().unwrap();
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found, serde_json::json!({ "settings": [{ "name": "port" }], "files": ["pixie.toml"] }));
}

#[test]
fn openapi_prints_the_document_as_the_program_orders_it() {
    let world = World::new();
    let told = r##"{"text":"{\n  \"openapi\": \"3.1.0\",\n  \"info\": {}\n}\n"}"##;
    let main = "fn main() {\n    assert_eq!(std::env::var(\"PIXIE_DUMP\").as_deref(), Ok(\"openapi text\"));\n";
    write_app(&world, &format!("{main}    println!(\"{{}}\", r#\"{told}\"#);\n}}\n"));
    let shown = world.run(&["openapi"]);
    assert!(shown.contains("--- stdout\n{\n  \"openapi\": \"3.1.0\",\n  \"info\": {}\n}\n---"), "{shown}");
}

#[test]
fn where_there_is_no_cargo_each_command_says_what_to_install() {
    let world = World::new();
    write_app(&world, "fn main() {}\n");
    for command in ["routes", "run", "build"] {
        let output = world.pixie(&[command]).env("PATH", "/nowhere").output().unwrap();
        assert_eq!(
            world.shown(&output),
            "code 1\n--- stdout\n--- stderr\nerror: could not start cargo: no such file or directory\n  --> cargo\n\
             help: install Rust: https://rustup.rs\n"
        );
    }
}

#[test]
fn a_program_that_is_no_app_is_not_run_for_its_routes() {
    let world = World::new();
    world.write("Cargo.toml", PROGRAM);
    world.write("src/main.rs", "fn main() {\n    std::fs::write(\"ran\", \"\").unwrap();\n}\n");
    let shown = world.run(&["routes"]);
    assert!(shown.starts_with("code 1\n") && shown.contains("`tiny` is not a pixie app"), "{shown}");
    assert!(!world.root.join("ran").exists());
}

#[test]
fn what_is_no_request_is_wrong_usage() {
    for (request, reason) in [
        ("G@T /x", "`G@T` is not an HTTP method"),
        ("users/7", "the path `users/7` must begin with `/`"),
        ("GET /a b", "such as \"GET /users/7\""),
        ("", "such as \"GET /users/7\""),
    ] {
        let shown = World::new().run(&["routes", "--match", request]);
        assert!(shown.starts_with("code 2\n") && shown.contains(reason), "{shown}");
    }
}

#[test]
fn a_build_that_fails_ends_with_101_after_the_compilers_words() {
    let world = World::new();
    world.write("Cargo.toml", PROGRAM);
    world.write("src/main.rs", "fn main() { nothing(); }\n");
    let shown = world.run(&["build", "--debug"]);
    assert!(shown.starts_with("code 101\n") && shown.contains("error[E0425]"), "{shown}");
    assert!(shown.ends_with("error: the build failed\n"), "{shown}");
}

#[test]
fn run_hands_over_arguments_port_and_exit_code() {
    let world = World::new();
    world.write("Cargo.toml", PROGRAM);
    let program = "fn main() {\n    let arguments: Vec<_> = std::env::args().skip(1).collect();\n    \
        println!(\"{arguments:?} {:?}\", std::env::var(\"PIXIE_PORT\"));\n    std::process::exit(7);\n}\n";
    world.write("src/main.rs", program);
    let shown = world.run(&["run", "--debug", "--port", "8123", "--", "--one", "two"]);
    assert!(shown.starts_with("code 7\n--- stdout\n[\"--one\", \"two\"] Ok(\"8123\")\n"), "{shown}");
}

#[test]
fn run_gives_the_program_the_variables_of_env_that_are_not_set_already() {
    let world = World::new();
    world.write("Cargo.toml", PROGRAM);
    let program = "fn main() {\n    println!(\"{:?}\", [\"GREETING\", \"GUEST\", \"PLACE\"].map(std::env::var));\n}\n";
    world.write("src/main.rs", program);
    world.write(".env", "GREETING='hello $GUEST'\nGUEST=nobody\nPLACE=shared\n");
    world.write(".env.local", "PLACE=local\nGUEST=anybody\n");
    let output = world.pixie(&["-C", "src", "run", "--debug"]).env("GUEST", "Ada").output().unwrap();
    let shown = world.shown(&output);
    assert!(shown.starts_with("code 0\n--- stdout\n[Ok(\"hello $GUEST\"), Ok(\"Ada\"), Ok(\"local\")]\n"), "{shown}");
    world.write(".env", "GREETING=hello\n\nto whom\n");
    let shown = world.run(&["run", "--debug"]);
    assert!(shown.starts_with("code 1\n") && shown.contains("  --> [DIR]/.env:3\nhelp: write NAME=value"), "{shown}");
}

#[test]
fn check_explains_a_port_that_is_taken() {
    let world = World::new();
    let taken = std::net::TcpListener::bind("localhost:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = world.pixie(&["check"]).env("PIXIE_PORT", &port).output().unwrap();
    let shown = world.shown(&output);
    assert!(
        shown.contains(&format!("  warning port: {port} is in use\n")) && shown.contains("fix: stop the"),
        "{shown}"
    );
    assert!(!shown.contains('\u{1b}'), "colors in a pipe");
}

#[test]
fn check_says_how_to_get_what_is_missing() {
    let output = World::new().pixie(&["check", "--json"]).env("PATH", "/nowhere").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let findings: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = findings.as_array().unwrap();
    let of = |name: &str| findings.iter().find(|finding| finding["name"] == name).unwrap();
    for (name, state, fix) in
        [("rustc", "problem", "rustup.rs"), ("linker", "problem", "gcc"), ("git", "warning", "--vcs")]
    {
        let finding = of(name);
        assert!(finding["state"] == state && finding["fix"].as_str().unwrap().contains(fix), "{finding}");
    }
    // Whatever is not well has a fix, and whatever is well needs none.
    for finding in findings {
        assert_eq!(finding["state"] == "ok", finding["fix"].is_null(), "{finding}");
    }
    #[cfg(target_os = "linux")]
    for name in ["pixie", "port", "inotify", "landlock", "seccomp", "cgroups"] {
        assert!(!of(name)["meaning"].as_str().unwrap().is_empty(), "{name}");
    }
}

#[test]
fn check_ends_with_1_if_something_will_fail() {
    let world = World::new();
    let output = world.pixie(&["check", "--json"]).env("PIXIE_PORT", "many").output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", world.shown(&output));
    let findings: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let port = findings.as_array().unwrap().iter().find(|finding| finding["name"] == "port").unwrap();
    assert_eq!(port["state"], "problem");
}

#[test]
fn check_compares_the_versions_of_command_and_crates() {
    let world = World::new();
    world.write("Cargo.toml", PROGRAM);
    world.write("src/main.rs", "fn main() {}\n");
    world.write("Cargo.lock", "version = 4\n\n[[package]]\nname = \"pixie-web\"\nversion = \"9.9.9\"\n");
    let shown = world.run(&["check"]);
    assert!(
        shown.contains(concat!("warning pixie: command ", env!("CARGO_PKG_VERSION"), ", pixie-web 9.9.9\n")),
        "{shown}"
    );
    assert!(shown.contains("fix: cargo install --locked pixie-cli"), "{shown}");
}

#[test]
fn colors_come_when_they_are_asked_for() {
    let shown = World::new().run(&["--color", "always", "new", "blog"]);
    assert!(shown.contains("\u{1b}[1m\u{1b}[92m     Created\u{1b}[0m blog"), "{shown:?}");
}

/// Writes a program that depends on a stand-in for pixie-web.
fn write_app(world: &World, main: &str) {
    let dependency = "\n[dependencies]\npixie-web = { path = \"web\" }\n\n[workspace]\n";
    world.write("Cargo.toml", &format!("{PROGRAM}{dependency}"));
    world.write("web/Cargo.toml", "[package]\nname = \"pixie-web\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
    world.write("web/src/lib.rs", "");
    world.write("src/main.rs", main);
}
