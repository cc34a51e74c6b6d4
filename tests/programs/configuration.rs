//! Where a real program has its settings from, and what its workers know of them.
use std::{
    fs,
    process::{Command, Output},
};

use crate::support::{Program, example, until};

const SECRET: &str = "a secret of at least thirty-two bytes";

/// Runs the example `uploads` with these variables in a folder with these files, until it ends by itself.
fn run(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("a file");
    }
    let mut command = Command::new(example("uploads"));
    command.current_dir(folder.path()).envs(variables.iter().copied());
    command.output().expect("the example runs")
}

#[test]
fn each_value_is_printed_with_its_origin_and_the_secret_is_not() {
    let files = [
        ("pixie.toml", "[app]\nport = 1\nthreads = 7\n\n[server]\nlinger = \"1s\"\n"),
        (".env", &format!("PIXIE_SECRET='{SECRET}'\nPIXIE_PORT=2\n")),
        (".env.local", "PIXIE_SERVER_LINGER=2s\n"),
    ];
    for (form, values) in [
        (
            "1",
            [
                "  threads  7  pixie.toml:3",
                "  port  3  environment PIXIE_PORT",
                "  linger  2s  .env.local:1",
                "  secret  set  .env:1",
            ],
        ),
        (
            "json",
            [
                "\"origin\":\"pixie.toml:3\"",
                "environment PIXIE_PORT",
                "\"origin\":\".env.local:1\"",
                "\"origin\":\".env:1\"",
            ],
        ),
    ] {
        let output = run(&files, &[("PIXIE_PRINT_CONFIG", form), ("PIXIE_PORT", "3"), ("PIXIE_WORKERS", "2")]);
        let text = String::from_utf8(output.stdout).expect("it is text");
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let lines: Vec<_> = text.lines().map(words).collect();
        for value in values {
            assert!(lines.iter().any(|line| line.contains(&words(value))), "{value} is not in:\n{text}");
        }
        assert!(!text.contains(SECRET) && text.lines().all(|line| form == "json" || line.len() <= 100), "{text}");
    }
}

#[cfg(all(feature = "http2", feature = "http3", feature = "tls", feature = "websocket"))]
#[test]
fn the_addresses_of_the_code_are_among_the_settings() {
    let variables = [("PIXIE_PRINT_CONFIG", "1"), ("PIXIE_PORT", "1234"), ("PIXIE_TLS_PORT", "4321")];
    let output = Command::new(example("edge")).envs(variables).output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("it is text");
    let addresses: Vec<_> = text.lines().map(str::trim).filter(|line| line.starts_with("listen ")).collect();
    let words: Vec<_> = addresses.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(words, ["listen localhost:1234 code", "listen localhost:4321 (tls, http3) code"], "{text}");
}

#[test]
fn a_reader_that_has_seen_enough_of_the_settings_is_no_failure() {
    for (name, value) in [("PIXIE_PRINT_CONFIG", "1"), ("PIXIE_DUMP", "routes")] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = Command::new(example("uploads")).env(name, value).stdout(writer).output().expect("it runs");
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    }
}

#[test]
fn a_program_with_mistakes_reports_all_of_them_and_does_not_start() {
    let output = run(&[("pixie.toml", "[app]\nprot = 1\nport = 70000\n")], &[("PIXIE_DEV", "maybe")]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.starts_with("Error: 3 mistakes in the configuration:\n  pixie.toml:2: "), "{errors}");
    assert!(errors.contains("did you mean `port`?") && errors.contains("PIXIE_DEV: cannot set"), "{errors}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_worker_that_starts_after_a_file_was_changed_has_the_settings_of_its_server() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("pixie.toml");
    fs::write(&file, "[pools.default]\nspares = 0\nsize = 1\n[forms]\nparts = 77\n").expect("a file");
    let program = Program::start_with("uploads", &[("PIXIE_CONFIG", file.to_str().expect("a path of letters"))]);
    fs::write(&file, "[forms]\nparts = \"a mistake\"\n").expect("a file");
    let [first] = until("there is a worker", || <[u32; 1]>::try_from(program.workers()).ok());
    assert!(Command::new("kill").args(["-KILL", &first.to_string()]).status().expect("kill").success());
    // Reading the file would end the worker, and its environment shows what it has instead.
    let given = until("there is another worker, with settings", || {
        let second = program.workers().into_iter().find(|worker| *worker != first)?;
        let all = fs::read_to_string(format!("/proc/{second}/environ")).ok()?;
        all.split('\0').find_map(|variable| variable.strip_prefix("PIXIE_SETTINGS=")).map(str::to_owned)
    });
    assert!(given.contains(r#""key":"forms.parts","text":"77""#), "{given}");
    let form = "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n--b--\r\n";
    let head = format!(
        "POST /pictures HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n",
        form.len()
    );
    let answer = program.ask(&(head + form));
    assert!(answer.status < 500, "{answer:?}");
}
