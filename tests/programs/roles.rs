//! One program in several roles, and what it tells load balancers.
use std::{
    fs,
    io::Write,
    net::Shutdown,
    process::{Command, Stdio},
    time::Instant,
};

use crate::support::{self, Program, ask_agent as ask, free_address, to_agent as connect, until};

/// Waits until the agent gives this answer.
fn says(agent: &str, name: &str, answer: &str) {
    until(&format!("the agent says {answer:?}"), || (ask(agent, name) == answer).then_some(()));
}

/// Starts the example `thumbnails`, whose pool `images` has this configuration, with an agent.
fn start(role: &str, pool: &str, more: &[(&str, &str)]) -> (Program, String) {
    let agent = free_address();
    let variables = [("PIXIE_ROLE", role), ("PIXIE_POOL_IMAGES", pool), ("PIXIE_AGENT", &*agent)];
    (Program::start_with("thumbnails", &[&variables, more].concat()), agent)
}

#[test]
fn a_program_runs_only_the_pools_of_its_role_and_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let variables = [("PIXIE_ROLE", "images"), ("PIXIE_POOL_IMAGES", "size=2 spares=0")];
    let log_file = Stdio::from(fs::File::create(&log).expect("a file"));
    let images = Program::start_to("thumbnails", &variables, log_file);
    let banner = images.output_to("pool images");
    assert!(
        banner.contains("  role images\n") && banner.contains("/thumbnail") && !banner.contains("sync"),
        "{banner}"
    );
    assert_eq!(images.workers().len(), 2);
    for _ in 0..3 {
        let answer = images.get("/");
        assert_eq!(answer.status, 421, "{answer:?}");
    }
    let text = until("the log has the request", || {
        let text = fs::read_to_string(&log).unwrap_or_default();
        text.contains("status=421 method=GET").then_some(text)
    });
    assert!(text.contains("role=images"), "{text}");
    assert!(text.contains("the request is for the role `web`, and this process has `images`"), "{text}");
    assert_eq!(text.matches("status=421 method=GET").count(), 1, "one line in a second: {text}");

    let (web, _) = start("web", "size=2", &[]);
    assert_eq!((web.get("/").status, web.workers().len()), (200, 0));
    let head = "POST /thumbnail HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n";
    let mut stream = web.connect();
    stream.write_all(head.as_bytes()).expect("it can be sent");
    assert!(support::read_head(&mut stream).starts_with("http/1.1 421 "), "no 100 comes first");
}

#[test]
fn a_role_that_does_not_exist_stops_the_start() {
    let output = Command::new(support::example("thumbnails")).env("PIXIE_ROLE", "imagse").output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("PIXIE_ROLE: unknown role `imagse`: did you mean `images`?"),
        "{said}"
    );
}

#[test]
fn the_agent_tells_what_each_role_can_take() {
    let (_images, agent) = start("images", "size=3 spares=0", &[]);
    says(&agent, "images\n", "up ready maxconn:3\n");
    for name in ["images\r\n", ""] {
        assert_eq!(ask(&agent, name), "up ready maxconn:3\n", "{name:?}");
    }
    assert_eq!(ask(&agent, "web\n"), "down #this process has the role images\n");
    let stream = connect(&agent);
    stream.shutdown(Shutdown::Write).expect("it can be ended");
    assert_eq!(support::read_text(stream), "up ready maxconn:3\n");

    let (_all, agent) = start("all", "size=0..5", &[]);
    let answers = ["web\n", "images\n", ""].map(|name| ask(&agent, name));
    assert_eq!(answers, ["up ready\n", "up ready maxconn:5\n", "up ready\n"]);
}

#[test]
fn workers_that_are_being_replaced_are_not_offered() {
    let (images, agent) = start("images", "size=3 spares=0", &[]);
    // A worker that exits idle several times is started again after a pause.
    for _ in 0..5 {
        says(&agent, "images\n", "up ready maxconn:3\n");
        let worker = until("three workers run", || <[u32; 3]>::try_from(images.workers()).ok())[2];
        let status = Command::new("kill").args(["-KILL", &worker.to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()));
        until("the worker has ended", || (!images.workers().contains(&worker)).then_some(()));
    }
    says(&agent, "images\n", "up ready maxconn:2\n");
    says(&agent, "images\n", "up ready maxconn:3\n");
}

#[test]
fn a_stopping_program_is_drained_and_one_without_workers_is_down() {
    let (mut images, agent) = start("images", "size=1", &[("PIXIE_READY_DELAY", "30s")]);
    images.signal("TERM");
    says(&agent, "images\n", "drain\n");
    assert_eq!(ask(&agent, ""), "drain\n");
    images.signal("TERM");
    assert_eq!(images.wait(), Some(0));

    // No worker starts with so little memory.
    let (images, agent) = start("images", "size=0..1 spares=0 memory=1MB queue_timeout=1s", &[]);
    assert_eq!(ask(&agent, "images\n"), "up ready maxconn:1\n");
    let form = "width=1";
    let head = "POST /thumbnail HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    let kind = "Content-Type: application/x-www-form-urlencoded";
    images.ask(&format!("{head}{kind}\r\nContent-Length: {}\r\n\r\n{form}", form.len()));
    let down = until("the agent is down", || Some(ask(&agent, "images\n")).filter(|line| line.starts_with("down #")));
    assert!(down.starts_with("down #pool images: "), "{down}");
}

#[test]
fn a_hundred_silent_clients_do_not_keep_a_balancer_out() {
    let (_images, agent) = start("images", "size=1", &[]);
    let silent: Vec<_> = (0..100).map(|_| connect(&agent)).collect();
    let mut slow = connect(&agent);
    slow.write_all(b"ima").expect("a part of a name");
    let began = Instant::now();
    assert_eq!(ask(&agent, "images\n"), "up ready maxconn:1\n");
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    assert!(support::read_text(slow).starts_with("down #"), "the rest of the name did not come in time");
    assert!(silent.into_iter().all(|stream| support::read_text(stream) == "up ready maxconn:1\n"));
}

#[test]
fn a_program_tells_what_a_balancer_needs_whatever_its_role() {
    let dump = |role: &str| {
        let mut program = Command::new(support::example("thumbnails"));
        program.env("PIXIE_DUMP", "deploy").env("PIXIE_ROLE", role).env("PIXIE_AGENT", ":9707");
        let output = program.env("PIXIE_POOL_IMAGES", "size=2..6").output().expect("it runs");
        assert!(output.status.success(), "{output:?}");
        let mut told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(told["role"].take(), *role);
        told
    };
    let told = dump("all");
    assert_eq!((&told, &told), (&dump("web"), &dump("images")));
    assert_eq!((&told["app"], &told["agent"]), (&"thumbnails".into(), &":9707".into()));
    assert_eq!(told["pools"][0]["slots"], 6);
    let routes = told["routes"].as_array().expect("a list");
    let of_images: Vec<_> = routes.iter().filter(|route| route["role"] == "images").collect();
    assert_eq!(of_images.len(), 1, "{told}");
    assert_eq!((&of_images[0]["path"], &of_images[0]["deadline"]), (&"/thumbnail".into(), &5.0.into()));
}
