//! What is measured: the servers, the routes under load, and the target ratios.
//!
//! A new server or route is a new entry here and, for a server, a program in `src/bin`.

/// One server under test.
#[derive(Debug)]
pub struct Peer {
    /// The name in `--only` and in the tables below.
    pub name: &'static str,
    /// The program that serves it.
    pub program: &'static str,
    /// Its environment variables in addition to the port.
    pub environment: &'static [(&'static str, &'static str)],
}

/// One route under load, at one number of connections.
#[derive(Debug)]
pub struct Case {
    /// The name in `--only`.
    pub name: &'static str,
    /// Its title in the report.
    pub title: &'static str,
    /// The path that is asked for.
    pub path: &'static str,
    /// The number of connections that ask for it.
    pub connections: u32,
    /// The start of the content type of every server's response.
    pub content_type: &'static str,
    /// The body of every server's response.
    pub body: &'static str,
    /// The servers measured, each with its label in the report.
    pub entries: &'static [(&'static str, &'static str)],
}

/// A ratio that pixie must reach.
#[derive(Debug)]
pub struct Target {
    /// The case it is about.
    pub case: &'static str,
    /// The peer compared with.
    pub baseline: &'static str,
    /// The least ratio of requests per second that meets the target.
    pub at_least: f64,
}

/// Whether pixie itself takes part.
pub const WITH_PIXIE: bool = cfg!(feature = "pixie");

/// The peers that every row is compared with.
pub const BASELINES: [&str; 2] = ["hyper", "axum"];

/// Every server, in the order of measuring.
pub const PEERS: [Peer; 5] = [
    Peer { name: "pixie", program: "peer-pixie", environment: &[] },
    Peer { name: "hyper", program: "peer-hyper", environment: &[] },
    Peer { name: "hyper-untimed", program: "peer-hyper", environment: &[("HEADER_TIMER", "off")] },
    Peer { name: "axum", program: "peer-axum", environment: &[] },
    Peer { name: "actix", program: "peer-actix", environment: &[] },
];

/// Every case, in the order of measuring.
pub const CASES: [Case; 5] = [
    Case {
        name: "text",
        title: "sync text",
        path: "/",
        connections: 64,
        content_type: "text/plain",
        body: "Hello, World!",
        entries: &[
            ("pixie", "pixie"),
            ("hyper", "hyper, header timer on"),
            ("hyper-untimed", "hyper, no timer"),
            ("axum", "axum"),
            ("actix", "actix-web"),
        ],
    },
    Case {
        name: "json",
        title: "async JSON",
        path: "/json",
        connections: 64,
        content_type: "application/json",
        body: r#"{"message":"Hello, World!"}"#,
        entries: &INLINE,
    },
    Case {
        name: "path",
        title: "path parameter",
        path: "/users/4711",
        connections: 64,
        content_type: "text/plain",
        body: "4711",
        entries: &INLINE,
    },
    Case {
        name: "pool-64",
        title: "pool text",
        path: "/block",
        connections: 64,
        content_type: "text/plain",
        body: "Hello, World!",
        entries: &ELSEWHERE,
    },
    Case {
        name: "pool-1",
        title: "pool text",
        path: "/block",
        connections: 1,
        content_type: "text/plain",
        body: "Hello, World!",
        entries: &ELSEWHERE,
    },
];

const INLINE: [(&str, &str); 4] =
    [("pixie", "pixie"), ("hyper", "hyper, header timer on"), ("axum", "axum"), ("actix", "actix-web")];

const ELSEWHERE: [(&str, &str); 3] =
    [("pixie", "pixie, another process"), ("axum", "axum, spawn_blocking"), ("actix", "actix-web, web::block")];

/// Every target, in the order of reporting.
pub const TARGETS: [Target; 4] = [
    Target { case: "text", baseline: "hyper", at_least: 0.97 },
    Target { case: "text", baseline: "axum", at_least: 1.05 },
    Target { case: "pool-64", baseline: "axum", at_least: 1.0 },
    Target { case: "pool-1", baseline: "axum", at_least: 1.0 },
];
