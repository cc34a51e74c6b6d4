//! HAProxy: its configuration, and what it says of its servers.

use std::{fmt::Write, net::SocketAddr, time::Duration};

use bench_kit::http::Client;

use crate::cluster::PORT;

/// Limits a request to HAProxy's own page.
const PATIENCE: Duration = Duration::from_secs(5);

/// Returns the configuration for these hosts.
pub(crate) fn configuration(web: &[(&str, SocketAddr)], images: &[(&str, SocketAddr)], agent: u16) -> String {
    let mut text = format!(
        "\
global
    maxconn 4000

defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout server 30s
    timeout queue 10s
    timeout tunnel 1h
    timeout http-keep-alive 60s
    timeout http-request 10s
    option redispatch
    retries 3
    retry-on conn-failure empty-response response-timeout
    option srvtcpka
    srvtcpka-idle 1s
    srvtcpka-intvl 1s
    srvtcpka-cnt 3
    option httpchk
    http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host localhost
    default-server check inter 500ms fastinter 200ms downinter 500ms fall 2 rise 1 observe layer4 error-limit 1 on-error mark-down proto h2

frontend app
    bind :{PORT}
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request del-header Forwarded
    acl images path_reg ^/(image|upload|crash|loop|leak)/[^/]+$
    use_backend images if images
    default_backend web

frontend metrics
    bind 127.0.0.1:8404
    http-request use-service prometheus-exporter
"
    );
    for (name, hosts, slots) in [("web", web, ""), ("images", images, " maxconn 6")] {
        let _ = writeln!(text, "\nbackend {name}\n    balance leastconn");
        text += "    http-request disable-l7-retry unless { method GET HEAD PUT DELETE OPTIONS TRACE }\n";
        for (host, address) in hosts {
            let agent = format!("agent-check agent-port {agent} agent-inter 500ms agent-send {name}\\n");
            let agent = if AGENT { agent.as_str() } else { "" };
            let _ = writeln!(text, "    server {host} {address}{slots} tcp-ut 3s {agent}");
        }
    }
    text
}

/// Whether the app has an agent check.
const AGENT: bool = true;

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
