//! What is measured: the servers, the routes under load, and the target ratios.
//!
//! A new server or route is a new entry here and, for a server, a program in `src/bin`.

use crate::peer::{self, HELLO};

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

/// What a server speaks on its port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 by prior knowledge.
    Http2,
    /// HTTP/1.1 over TLS.
    Tls,
}

impl Protocol {
    /// Returns the value of the variable that tells it to a server.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Http1 => "http1",
            Protocol::Http2 => "http2",
            Protocol::Tls => "tls",
        }
    }
}

/// One route under load, at one number of connections.
#[derive(Debug)]
pub struct Case {
    /// The name in `--only`.
    pub name: &'static str,
    /// Its title in the report.
    pub title: &'static str,
    /// What the clients speak.
    pub protocol: Protocol,
    /// The path that is asked for.
    pub path: &'static str,
    /// The number of connections that ask for it.
    pub connections: u32,
    /// The start of the content type of every server's response.
    pub content_type: &'static str,
    /// The body of every server's response.
    pub body: fn() -> &'static str,
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
pub const PEERS: [Peer; 6] = [
    Peer { name: "pixie", program: "peer-pixie", environment: &[] },
    Peer { name: "hyper", program: "peer-hyper", environment: &[] },
    Peer { name: "hyper-untimed", program: "peer-hyper", environment: &[("HEADER_TIMER", "off")] },
    Peer { name: "axum", program: "peer-axum", environment: &[] },
    Peer { name: "actix", program: "peer-actix", environment: &[] },
    Peer { name: "nginx", program: "peer-nginx", environment: &[] },
];

/// Every case, in the order of measuring.
pub const CASES: [Case; 10] = [
    Case {
        name: "text",
        title: "sync text",
        protocol: Protocol::Http1,
        path: "/",
        connections: 64,
        content_type: "text/plain",
        body: || HELLO,
        entries: &[
            ("pixie", "pixie"),
            ("hyper", "hyper, header timer on"),
            ("hyper-untimed", "hyper, no timer"),
            ("axum", "axum"),
            ("actix", "actix-web"),
            ("nginx", "nginx"),
        ],
    },
    Case {
        name: "json",
        title: "async JSON",
        protocol: Protocol::Http1,
        path: "/json",
        connections: 64,
        content_type: "application/json",
        body: || r#"{"message":"Hello, World!"}"#,
        entries: &INLINE,
    },
    Case {
        name: "path",
        title: "path parameter",
        protocol: Protocol::Http1,
        path: "/users/4711",
        connections: 64,
        content_type: "text/plain",
        body: || "4711",
        entries: &INLINE,
    },
    Case {
        name: "pool-64",
        title: "pool text",
        protocol: Protocol::Http1,
        path: "/block",
        connections: 64,
        content_type: "text/plain",
        body: || HELLO,
        entries: &ELSEWHERE,
    },
    Case {
        name: "pool-16",
        title: "pool text",
        protocol: Protocol::Http1,
        path: "/block",
        connections: 16,
        content_type: "text/plain",
        body: || HELLO,
        entries: &ELSEWHERE,
    },
    Case {
        name: "pool-4",
        title: "pool text",
        protocol: Protocol::Http1,
        path: "/block",
        connections: 4,
        content_type: "text/plain",
        body: || HELLO,
        entries: &ELSEWHERE,
    },
    Case {
        name: "pool-1",
        title: "pool text",
        protocol: Protocol::Http1,
        path: "/block",
        connections: 1,
        content_type: "text/plain",
        body: || HELLO,
        entries: &ELSEWHERE,
    },
    Case {
        name: "large",
        title: "text of 1 MiB",
        protocol: Protocol::Http1,
        path: "/large",
        connections: 16,
        content_type: "text/plain",
        body: peer::large,
        entries: &ALL,
    },
    Case {
        name: "http2",
        title: "sync text, HTTP/2, 100 streams each",
        protocol: Protocol::Http2,
        path: "/",
        connections: 4,
        content_type: "text/plain",
        body: || HELLO,
        entries: &ALL,
    },
    Case {
        name: "tls",
        title: "sync text, TLS",
        protocol: Protocol::Tls,
        path: "/",
        connections: 64,
        content_type: "text/plain",
        body: || HELLO,
        entries: &ALL,
    },
];

const ALL: [(&str, &str); 5] =
    [("pixie", "pixie"), ("hyper", "hyper"), ("axum", "axum"), ("actix", "actix-web"), ("nginx", "nginx")];

const INLINE: [(&str, &str); 4] =
    [("pixie", "pixie"), ("hyper", "hyper, header timer on"), ("axum", "axum"), ("actix", "actix-web")];

const ELSEWHERE: [(&str, &str); 3] =
    [("pixie", "pixie, another process"), ("axum", "axum, spawn_blocking"), ("actix", "actix-web, web::block")];

/// Every target, in the order of reporting.
pub const TARGETS: [Target; 6] = [
    Target { case: "text", baseline: "hyper", at_least: 0.97 },
    Target { case: "text", baseline: "axum", at_least: 1.05 },
    Target { case: "pool-64", baseline: "axum", at_least: 1.0 },
    Target { case: "pool-16", baseline: "axum", at_least: 1.0 },
    Target { case: "pool-4", baseline: "axum", at_least: 1.0 },
    Target { case: "pool-1", baseline: "axum", at_least: 1.0 },
];
