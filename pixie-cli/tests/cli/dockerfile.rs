//! The Dockerfiles of the templates: read as Docker reads them, and their health checks run against real servers.
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

/// All instructions of the Dockerfile reference.
const INSTRUCTIONS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// The templates with a Dockerfile, and what their health checks ask for.
const TEMPLATES: [(&str, &str); 2] = [("api", "/health"), ("app", "/static/style.css")];

fn folder(template: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/templates")).join(template)
}

/// Returns the instructions with their arguments; lines that end in `\` are continued.
fn instructions(template: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(folder(template).join("Dockerfile.liquid")).unwrap();
    let text = text.replace("{{project-name}}", "blog").replace("\\\n", " ");
    assert!(!text.contains("{{") && !text.contains("{%"), "a variable that the test does not know");
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let split = |line: &str| {
        let (name, rest) = line.split_once(' ').unwrap_or_else(|| panic!("`{line}` has no argument"));
        (name.to_owned(), rest.trim().to_owned())
    };
    lines.map(split).collect()
}

/// Returns the arguments of an instruction in its last stage.
fn last<'i>(all: &'i [(String, String)], name: &str) -> &'i str {
    let found = all.iter().rev().take_while(|(other, _)| other != "FROM").find(|(other, _)| other == name);
    &found.unwrap_or_else(|| panic!("the last stage has no {name}")).1
}

/// Reads the exec form, in which no shell stands between Docker and the program.
fn exec_form(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text} is not the exec form: {error}"))
}

#[test]
fn the_dockerfile_has_known_instructions_and_copies_what_exists() {
    for (template, _) in TEMPLATES {
        let all = instructions(template);
        let unknown: Vec<_> = all.iter().filter(|(name, _)| !INSTRUCTIONS.contains(&name.as_str())).collect();
        assert!(unknown.is_empty() && all[0].0 == "FROM", "{unknown:?}");
        let mut stages = Vec::new();
        for (name, arguments) in &all {
            let words: Vec<_> = arguments.split_whitespace().collect();
            match (name.as_str(), &words[..]) {
                ("FROM", [_, "AS", stage]) => stages.push(*stage),
                ("FROM", [_]) => {}
                ("COPY", [from, source, _]) if from.starts_with("--from=") => {
                    assert!(stages.contains(&&from["--from=".len()..]), "no stage before {arguments}");
                    assert!(
                        all.iter().any(|(name, run)| name == "RUN" && run.ends_with(source)),
                        "nothing makes {source}"
                    );
                }
                ("COPY", [source, _]) => assert!(folder(template).join(source).exists(), "there is no {source}"),
                ("FROM" | "COPY", _) => panic!("{name} {arguments}"),
                _ => {}
            }
        }
        assert_eq!(stages, ["build"]);
    }
}

#[test]
fn the_container_runs_the_program_itself_as_another_user_than_root() {
    for (template, _) in TEMPLATES {
        let all = instructions(template);
        assert_eq!(exec_form(last(&all, "CMD")), ["app"]);
        assert!(!matches!(last(&all, "USER"), "root" | "0"));
        assert!(all.iter().all(|(name, _)| name != "ENTRYPOINT"));
        let user = all.iter().position(|(name, _)| name == "USER").unwrap();
        assert!(all[user..].iter().all(|(name, _)| name != "RUN"), "a command after USER runs without its rights");
    }
}

#[test]
fn the_health_check_tells_a_page_from_an_error() {
    for (template, path) in TEMPLATES {
        let all = instructions(template);
        let (_, command) = last(&all, "HEALTHCHECK").split_once("CMD ").unwrap();
        for (status, is_healthy) in [("200 OK", true), ("503 Service Unavailable", false)] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let server = thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                let head: Vec<_> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
                write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").unwrap();
                head.join("\n")
            });
            let words = exec_form(command);
            let script = words[2].replace("localhost/8000", &format!("127.0.0.1/{}", address.port()));
            let status = Command::new(&words[0]).args([&words[1], &script]).status().unwrap();
            assert_eq!(status.success(), is_healthy);
            let head = server.join().unwrap();
            assert!(head.starts_with(&format!("GET {path} HTTP/1.1")) && head.contains("Host: localhost"), "{head}");
        }
    }
}
