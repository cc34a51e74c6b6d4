//! `Refusal`: a request that the server refuses before its service sees it, with the response and the line in
//! the log.
//!
//! The body is a problem document (RFC 9457), because the format that the client prefers may be unreadable.
//! Invariant: after a refusal the connection is closed, since the bytes that follow cannot be trusted.

use std::time::SystemTime;

use http::StatusCode;

use crate::{Address, Throttle};

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// Whether the response is one to HEAD, which has no body.
    pub(crate) is_to_head: bool,
    detail: &'static str,
}

impl Refusal {
    pub(crate) const HOST: Refusal = new(400, "the request needs exactly one Host header with a valid host");
    pub(crate) const TARGET: Refusal = new(400, "the target does not suit the method or has no valid host");
    pub(crate) const CHUNKED_TWICE: Refusal = new(400, "the transfer coding chunked is applied twice");
    pub(crate) const CODING: Refusal = new(501, "chunked is the only known transfer coding");
    pub(crate) const EXPECTATION: Refusal = new(417, "100-continue is the only known expectation");
    pub(crate) const SLOW_HEAD: Refusal = new(408, "the head of the request came too slowly");
    pub(crate) const SLOW_REQUEST: Refusal = new(408, "the request came too slowly");
    pub(crate) const LATE: Refusal = new(504, "the response took too long");
    pub(crate) const URI: Refusal = new(414, "the target of the request is too long");
    pub(crate) const HEADERS: Refusal = new(431, "the head of the request is too long or has too many headers");
    #[cfg_attr(not(any(feature = "tls", feature = "tls-ring")), expect(dead_code, reason = "only TLS uses it"))]
    pub(crate) const PLAIN: Refusal = new(400, "this port is for HTTPS: use an address that starts with https://");
    #[cfg_attr(not(feature = "http2"), expect(dead_code, reason = "only HTTP/2 uses it"))]
    pub(crate) const NO_WEBSOCKET: Refusal = new(400, "this address does not speak WebSocket");
    pub(crate) const BUSY: Refusal = new(503, "the server has too many connections: try again later");
    /// The refusals of hyper.
    const OF_HYPER: [Refusal; 3] = [
        new(400, "the head of the request is malformed"),
        new(414, "the target of the request line is too long"),
        Refusal::HEADERS,
    ];

    /// Reads a response that hyper has made for a request that it cannot parse. Returns `None` for other
    /// bytes.
    pub(crate) fn of_hyper(response: &[u8]) -> Option<Refusal> {
        let (head, "") = str::from_utf8(response).ok()?.split_once("\r\n\r\n")? else { return None };
        let (line, headers) = head.split_once("\r\n")?;
        let is_for = |refusal: &Refusal| line.starts_with(&format!("HTTP/1.1 {} ", refusal.status.as_str()));
        let is_empty = headers.starts_with("connection: close\r\ncontent-length: 0\r\n");
        Refusal::OF_HYPER.into_iter().find(is_for).filter(|_| is_empty)
    }

    /// Returns the refusal of a head of which these bytes have arrived. hyper does not say whether it is the
    /// target that is too long.
    pub(crate) fn of_head(self, head: &[u8], uri_bytes_max: usize) -> Refusal {
        let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let target = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        if self == Refusal::HEADERS && target.len() > uri_bytes_max { Refusal::URI } else { self }
    }

    /// Returns the body of the response.
    pub(crate) fn problem(self) -> String {
        let (status, title, detail) = (self.status.as_u16(), self.title(), self.detail);
        format!(r#"{{"type":"about:blank","title":"{title}","status":{status},"detail":"{detail}"}}"#)
    }

    fn title(&self) -> &'static str {
        self.status.canonical_reason().unwrap_or("Error")
    }

    /// Returns the whole response of HTTP/1.1.
    pub(crate) fn message(self) -> String {
        let (status, title, problem) = (self.status.as_u16(), self.title(), self.problem());
        let (length, date) = (problem.len(), httpdate::fmt_http_date(SystemTime::now()));
        // One second, because the places of idle connections become free within it (RFC 9110, section
        // 10.2.3).
        let retry = if self == Refusal::BUSY { "retry-after: 1\r\n" } else { "" };
        let body = if self.is_to_head { "" } else { &problem };
        format!(
            "HTTP/1.1 {status} {title}\r\nconnection: close\r\n{retry}content-type: application/problem+json\r\n\
             content-length: {length}\r\ndate: {date}\r\n\r\n{body}"
        )
    }

    /// Writes a line to the log, unless there was one a moment ago. Then the next line has the number of
    /// those that were left out.
    pub(crate) fn log(self, peer: &Address) {
        static LINES: Throttle = Throttle::of_refusals();
        if let Some(unlogged) = LINES.due() {
            let status = self.status.as_u16();
            tracing::info!(status, %peer, unlogged, "refused a request: {}", self.detail);
        }
    }
}

const fn new(status: u16, detail: &'static str) -> Refusal {
    let Ok(status) = StatusCode::from_u16(status) else { panic!("an HTTP status has three digits") };
    Refusal { status, is_to_head: false, detail }
}
