//! Writes the configuration of HAProxy.
//!
//! HAProxy 2.6 and later must accept it. Invariants: a request is only sent again if its method is
//! idempotent or nothing of it has been sent, and bodies and events pass as they arrive.

use crate::error::Error;

use super::{
    app::WEB,
    plan::{Address, Hosts, Plan, time},
    rules::{self, Rule, rules},
};

/// The least time without data from an app, in seconds. Event streams and WebSockets are silent for up to
/// 30 s.
const SILENCE_MIN: f64 = 60.0;
/// What a client gets instead of the app's own answer.
const BUSY: &str = r#"content-type text/plain string "The server is busy. Please try again.""#;

/// Returns the configuration.
pub(super) fn configuration(plan: &Plan) -> Result<String, Error> {
    let wrong = |error| Error::new(format_args!("could not read a route of the app: {error}"));
    let (rules, once_rules) = (rules(&plan.app.routes).map_err(wrong)?, rules::once(&plan.app.routes).map_err(wrong)?);
    let mut backends = String::new();
    for role in &plan.app.roles {
        backends += &backend(plan, role)?;
    }
    let resolvers = resolvers(plan, backends.contains(" resolvers "));
    let parts = [head(plan), resolvers, frontend(plan, &rules, &once_rules), once(plan), backends, observers(plan)];
    Ok(parts.concat())
}

fn head(plan: &Plan) -> String {
    format!(
        r#"{origin}
# Change the app or these arguments, not this file: `pixie deploy {target} --check FILE` finds differences.

global
    # Limits memory to about 320 MB. Each request needs two open files.
    maxconn 8000
    # Streams end at the latest this long after a stop or a reload.
    hard-stop-after 60s
    log stdout format raw local0 info

defaults
    mode http
    log global
    option httplog
    # Only failures are in the log.
    option dontlog-normal

    # A client must send the head of a request, or a part of its body, and take data within these times.
    timeout http-request 30s
    timeout client 60s
    timeout client-fin 10s
    timeout http-keep-alive 60s
    # More than the 1 s after which a lost packet of a connection is sent again.
    timeout connect 2s
    timeout check 1s
    # WebSockets. The app ends those whose clients have disappeared.
    timeout tunnel 1h

    # A client that leaves gives its place to the next one.
    option abortonclose
    # Find out within 4 s that a host is gone, also while a request runs there.
    option srvtcpka
    srvtcpka-idle 1s
    srvtcpka-intvl 1s
    srvtcpka-cnt 3

    # A connection that fails is tried on another host. A request that may have arrived is sent again only if
    # its method is idempotent (see `disable-l7-retry`) and it fits into a buffer (16 KB).
    # Several attempts may find old connections to the same lost host before one is refused and marks it down.
    retries 10
    option redispatch 1
    retry-on conn-failure empty-response junk-response
    http-error status 503 {BUSY} hdr Retry-After 1

    # A host that fails twice gets no requests, and is back after one success.
{check}    default-server inter 500ms fastinter 200ms downinter 500ms fall 2 rise 1 slowstart 2s
"#,
        origin = plan.origin,
        target = plan.target,
        check = check(plan),
    )
}

/// Returns the request that tells whether a host should get others.
fn check(plan: &Plan) -> String {
    let Some(path) = plan.probe() else { return String::new() };
    format!(
        "    option httpchk\n    http-check send meth GET uri {path} ver HTTP/1.1 hdr Host localhost\n    \
         http-check expect status 200\n"
    )
}

fn resolvers(plan: &Plan, are_needed: bool) -> String {
    let servers = match plan.target {
        super::Target::Compose => "nameserver docker 127.0.0.11:53",
        _ => "parse-resolv-conf",
    };
    match are_needed {
        true => format!(
            "\nresolvers dns\n    {servers}\n    accepted_payload_size 8192\n    timeout resolve 1s\n    timeout retry 1s\n    \
             # Without an answer, the known hosts stay for a while.\n    hold timeout 60s\n    hold refused 60s\n    \
             hold other 60s\n    # Without a host, the name does not exist.\n    hold nx 5s\n"
        ),
        false => String::new(),
    }
}

fn frontend(plan: &Plan, rules: &[Rule], once_rules: &[Rule]) -> String {
    let (name, options) = (plan.name(""), &plan.options);
    let bind = plan.bind();
    let tls = options.certificate.as_ref().map(|file| format!(" ssl crt {file} alpn h2,http/1.1")).unwrap_or_default();
    let probes: Vec<_> =
        [&plan.app.health, &plan.app.ready].into_iter().flatten().map(|path| format!("'{path}'")).collect();
    let hidden = match probes.is_empty() {
        true => String::new(),
        false => format!(
            "    # Probes name the pools, so they are not for clients.\n    \
             http-request deny deny_status 404 if {{ var(txn.path) -m str -- {} }}\n",
            probes.join(" ")
        ),
    };
    let once_rules: String = once_rules
        .iter()
        .map(|Rule { route, condition, .. }| {
            format!("    # {route}: `retry = false`\n    http-request unset-var(txn.retry) if {condition}\n")
        })
        .collect();
    let rules: String = rules
        .iter()
        .map(|Rule { route, role, condition }| format!("    # {route}\n    use_backend {role} if {condition}\n"))
        .collect();
    format!(
        r#"
frontend clients
    bind {bind}{tls}
    # From `pixie:once`, with the address of the client.
    bind abns@{name}-once name once accept-proxy
    acl is_second so_name once

{reported}
    # The path as pixie compares it: decoded, except for %2F and %25. It is unset if it cannot be decoded.
    http-request set-var(txn.path) path,regsub(%25,%2525,g),regsub(%2[fF],%252F,g),url_dec
{hidden}
    # Whether a request may be sent again: RFC 9110, section 9.2.2.
    http-request set-var(txn.retry) bool(true) if {{ method GET HEAD OPTIONS PUT DELETE TRACE }}
{once_rules}    acl may_retry var(txn.retry) -m bool
    http-request disable-l7-retry unless may_retry
    use_backend pixie:once if !is_second !may_retry

    # The routes of the app, in the order in which it tries them.
{rules}    default_backend {WEB}
"#,
        reported = reported(plan),
    )
}

/// Returns the rules that report the client to the app, and remove what the client may have forged.
fn reported(plan: &Plan) -> String {
    if plan.has_proxy_protocol() {
        return "    # The PROXY protocol reports the client. Headers could be forged.\n    \
                http-request del-header forwarded\n    http-request del-header x-real-ip\n    \
                http-request del-header x-forwarded- -m beg\n"
            .into();
    }
    let (acl, unless) = match plan.front() {
        None => (String::new(), "unless is_second"),
        Some(nets) => (
            format!(
                "    # The headers of proxies in front of HAProxy are kept.\n    acl is_known src {}\n    \
                 acl is_known so_name once\n",
                nets.replace(',', " ")
            ),
            "unless is_known",
        ),
    };
    format!(
        r#"    # Reports the client to the app. Removes what the client may have forged.
{acl}    http-request del-header forwarded
    http-request del-header x-real-ip
    http-request del-header x-forwarded- -m beg {unless}
    http-request add-header X-Forwarded-For %[src] unless is_second
    http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)] {unless}
    http-request set-header X-Forwarded-Host %[req.hdr(host)] {unless}
"#
    )
}

/// Returns the backend that sends requests through the frontend again.
fn once(plan: &Plan) -> String {
    let longest = plan.app.roles.iter().map(|role| server_timeout(plan, role) + queue_timeout(plan, role));
    format!(
        r#"
# Requests that must not be sent twice, such as POST. If a host closes a connection without an answer, HAProxy
# closes the connection of the client, too, so that the client sends the request again: for all requests but
# the first on a connection, and in HTTP/2 for all. These requests therefore pass through the frontend once
# more, each on a connection of its own. There each of them is the first, so the client gets a 502.
backend pixie:once
    timeout server {timeout}
    # Otherwise the next request of a client would use its connection again.
    option http-server-close
    http-reuse never
    retry-on none
    server once abns@{name}-once send-proxy-v2
"#,
        timeout = time(longest.fold(0.0, f64::max) + 5.0),
        name = plan.name(""),
    )
}

fn backend(plan: &Plan, role: &str) -> Result<String, Error> {
    let mut text =
        format!("\nbackend {role}\n    balance leastconn\n    timeout server {}\n", time(server_timeout(plan, role)));
    if let Some(pool) = plan.pool(role) {
        text += &format!(
            "    # The queue of the pool: how long a request may wait for a worker, and how many may.\n    \
             timeout queue {}\n    http-request return status 503 {BUSY} hdr Retry-After 1 if {{ queue ge {} }}\n",
            time(pool.queue_timeout),
            pool.queue.max(1)
        );
    }
    text += &format!("    default-server {}\n", server_options(plan, role));
    text += &servers(plan, role)?;
    Ok(text)
}

/// Returns the options that all servers of a role have.
fn server_options(plan: &Plan, role: &str) -> String {
    let given = &plan.options;
    // A connection that fails takes the host out at once. Otherwise the retries would go to the same host,
    // because it has the fewest connections.
    let mut options = "check observe layer4 error-limit 1 on-error mark-down".to_owned();
    if let Some(port) = plan.agent_port() {
        options += &format!(r#" agent-check agent-port {port} agent-inter 500ms agent-send "{role}\n""#);
    }
    if plan.has_proxy_protocol() {
        options += " send-proxy-v2 check-send-proxy";
    }
    if let Some(ca) = &given.tls_ca {
        options += &format!(" ssl verify required ca-file {ca}");
        options += &given.tls_cert.as_ref().map(|file| format!(" crt {file}")).unwrap_or_default();
        options += if given.http2 { " alpn h2,http/1.1" } else { " alpn http/1.1" };
    } else if given.http2 {
        options += " proto h2 ws h1";
    }
    options
}

/// Returns a line for each host.
fn servers(plan: &Plan, role: &str) -> Result<String, Error> {
    let comment = match plan.pool(role) {
        Some(pool) if pool.slots_are_set => "    # maxconn: the largest number of workers of the pool.\n",
        Some(_) => "    # maxconn: the cores of the machine that was asked. The agent reports those of each host.\n",
        None => "",
    };
    let maxconn = plan.pool(role).map(|pool| format!(" maxconn {}", pool.slots.max(1))).unwrap_or_default();
    // HAProxy 2.6 does not take `tcp-ut` from `default-server`.
    let options = |address: &Address| {
        let dns = if address.is_name() { " resolvers dns init-addr none" } else { "" };
        format!("{}{maxconn} tcp-ut 3s{dns}\n", address.shown())
    };
    let lines = match plan.hosts(role)? {
        Hosts::Listed(addresses) => {
            let lines = addresses.iter().enumerate();
            lines.map(|(at, address)| format!("    server {role}-{} {}", at + 1, options(address))).collect()
        }
        Hosts::Named(name, count) => format!("    server-template {role}- 1-{count} {}", options(&name)),
    };
    Ok(format!("{comment}{lines}"))
}

/// Returns how long an app may be silent, in seconds. The app's own limits are shorter.
fn server_timeout(plan: &Plan, role: &str) -> f64 {
    (plan.app.longest(role).max(plan.app.silence(role)) + 5.0).max(SILENCE_MIN)
}

fn queue_timeout(plan: &Plan, role: &str) -> f64 {
    plan.pool(role).map_or(0.0, |pool| pool.queue_timeout)
}

fn observers(plan: &Plan) -> String {
    let bind = if plan.target == super::Target::Kubernetes { ":8404" } else { "127.0.0.1:8404" };
    format!(
        r"
# Metrics for Prometheus, a page for people, and whether HAProxy itself runs.
frontend observers
    bind {bind}
    http-request use-service prometheus-exporter if {{ path /metrics }}
    stats enable
    stats uri /
    monitor-uri /healthz
"
    )
}
