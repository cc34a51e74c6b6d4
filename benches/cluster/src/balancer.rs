//! HAProxy: its configuration, and what it reports of its servers.

use std::{path::PathBuf, process::Command, time::Duration};

use bench_kit::{
    Result,
    http::Client,
    process::{cargo, run},
};

/// Limits a request to HAProxy's own page.
const PATIENCE: Duration = Duration::from_secs(5);
/// Limits the build of the command `pixie`, and of the app by it.
const BUILD_LIMIT: Duration = Duration::from_secs(1200);

/// Returns the configuration that `pixie deploy` writes for the app on these hosts, such as
/// `web=10.0.0.1,10.0.0.2`.
pub(crate) fn configuration(hosts: &[String], http2: bool, port: u16, agent_port: u16) -> Result<String> {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let root = own.join("../..");
    let mut build = cargo();
    build.args(["build", "--quiet", "--package", "pixie-cli", "--manifest-path"]).arg(root.join("Cargo.toml"));
    run(build.arg("--target-dir").arg(root.join("target")), BUILD_LIMIT)?;
    let mut pixie = Command::new(root.join("target/debug/pixie"));
    pixie.current_dir(own).args(["deploy", "haproxy", "--release", "--bin", "cluster-app"]);
    pixie.args(http2.then_some("--http2"));
    pixie.args(["--bind", &format!(":{port}")]).args(hosts.iter().flat_map(|hosts| ["--hosts", hosts]));
    // The program reports what it would do with these settings.
    pixie.env("PIXIE_AGENT", format!(":{agent_port}"));
    run(&mut pixie, BUILD_LIMIT)
}

/// Returns the name that the configuration has for a host: `web-1` for `web1`.
pub(crate) fn server(host: &str) -> String {
    let role = host.trim_end_matches(char::is_numeric);
    format!("{role}-{}", &host[role.len()..])
}

/// Returns the servers that HAProxy uses. Must run on its host.
pub(crate) fn servers_up() -> Vec<String> {
    let text = metrics();
    let up = text.lines().filter(|line| line.starts_with("haproxy_server_status{") && line.ends_with(" 1"));
    let up = up.filter(|line| line.contains("state=\"UP\""));
    up.filter_map(|line| Some(line.split_once("server=\"")?.1.split_once('"')?.0.to_owned())).collect()
}

/// Returns the sum of a counter over all backends. Must run on its host.
pub(crate) fn counter(name: &str) -> u64 {
    let text = metrics();
    let rows = text.lines().filter(|line| line.starts_with(name) && line[name.len()..].starts_with('{'));
    rows.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
}

fn metrics() -> String {
    let answer = Client::new(([127, 0, 0, 1], 8404).into(), PATIENCE).get("/metrics");
    answer.map(|answer| String::from_utf8_lossy(&answer.body).into_owned()).unwrap_or_default()
}
