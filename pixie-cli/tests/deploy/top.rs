//! `pixie top`, in front of hosts that answer, fail, or say nothing.

use std::{
    io::Write,
    net::TcpListener,
    process::Command,
    time::{Duration, Instant},
};

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::{
    balancer::{Host, free},
    support::World,
    terminal::Terminal,
};

fn pool(name: &str, busy: u32, queued: u32) -> Value {
    let worker = |memory: u64| json!({ "number": 1, "state": "idle", "pid": 1, "jobs": 3, "memory": memory });
    json!({ "name": name, "size": 2, "size_max": 4, "idle": 1, "spares": 0, "busy": busy, "queued": queued,
        "oldest_wait": (queued > 0).then_some(1.25), "is_broken": name == "reports",
        "workers": [worker(40_000_000), worker(21_000_000)],
        "counts": { "jobs": 118, "kills": { "deadline": 2 }, "exits": { "SIGKILL": 1 } } })
}

/// A host with this status page.
fn host(role: &str, pools: &[Value]) -> Host {
    let body = json!({ "role": role, "connections": { "open": 17 }, "pools": pools }).to_string();
    Host::start(move |request, stream| {
        let may_look = request.target == "/status" && request.all("authorization") == ["Bearer 7b1f"];
        let (status, body) = if may_look { ("200 OK", body.as_str()) } else { ("403 Forbidden", "") };
        write!(stream, "HTTP/1.0 {status}\r\ncontent-type: application/json\r\n\r\n{body}").unwrap();
        false
    })
}

/// Returns the arguments for these hosts.
fn arguments(hosts: &[String], header: &str) -> Vec<String> {
    ["top", "--hosts", &hosts.join(","), "--header", header].map(str::to_owned).to_vec()
}

/// Runs `pixie top --once`, and returns its table with names in place of the addresses.
fn once(hosts: &[String], header: &str) -> String {
    let world = World::new();
    let arguments = arguments(hosts, header);
    let arguments: Vec<_> = arguments.iter().map(String::as_str).chain(["--once"]).collect();
    let output = world.pixie(&arguments).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    // Of the same length, so that the columns stay.
    let names = (1..).map(|number| format!("10.0.0.{number}:8000"));
    hosts.iter().zip(names).fold(String::from_utf8(output.stdout).unwrap(), |text, (host, name)| {
        text.replace(host, &format!("{name:0$}", host.len()))
    })
}

#[test]
fn all_hosts_are_shown_with_their_pools() {
    let hosts = [
        host("web", &[pool("default", 3, 0), pool("streams", 0, 0)]),
        host("images\u{1b}[31m", &[pool("images", 4, 7)]),
        host("reports", &[pool("reports", 0, 0)]),
        host("web", &[]),
    ];
    let mut addresses: Vec<_> = hosts.iter().map(|host| host.address.to_string()).collect();
    addresses.push(free().to_string());
    assert_snapshot!(once(&addresses, "authorization: Bearer 7b1f"));
    assert!(once(&addresses[..1], "x: y").contains("403: `App::operators` decides who may look"));
}

#[test]
fn a_host_that_does_not_answer_costs_at_most_two_seconds() {
    // Accepts connections, because the system does that, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endless = Host::start(|_, stream| {
        while stream.write_all(&[b'x'; 65536]).is_ok() {}
        false
    });
    let addresses = [silent.local_addr().unwrap().to_string(), endless.address.to_string()];
    let start = Instant::now();
    let shown = once(&addresses, "x: y");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert!(shown.contains("no answer within 2s") && shown.contains("more than 4194304 bytes"), "{shown}");
}

#[test]
fn a_terminal_shows_it_again_and_again_and_is_restored_at_the_end() {
    let host = host("web", &[pool("default", 3, 0)]);
    let (world, terminal) = (World::new(), Terminal::open());
    let arguments = arguments(&[host.address.to_string()], "authorization: Bearer 7b1f");
    let command: Command = world.pixie(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let mut process = terminal.run(&command);
    terminal.sees("\u{1b}[?1049h\u{1b}[?25l");
    terminal.sees("default");
    terminal.sees("default");
    terminal.types("\u{3}");
    terminal.sees("\u{1b}[?25h\u{1b}[?1049l");
    assert_eq!(process.wait().unwrap().code(), Some(130));
}

#[test]
fn wrong_arguments_are_explained() {
    for (arguments, reason) in [
        (&["top"][..], "--hosts"),
        (&["top", "--hosts", "a:1", "--path", ""], "without control characters"),
        (&["top", "--hosts", "a:1", "--header", "a: b\r\nc: d"], "without control characters"),
    ] {
        let shown = World::new().run(arguments);
        assert!(shown.starts_with("code 2\n") && shown.contains(reason), "{shown}");
    }
    let shown = World::new().run(&["top", "--hosts", "10.0.0.1", "--once"]);
    assert!(shown.contains("10.0.0.1  invalid socket address"), "{shown}");
}
