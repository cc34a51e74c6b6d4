//! Prints one line for each request under `pixie dev`: status, request, time to the head, kind and worker.
use std::{
    env,
    io::{IsTerminal, Write, stdout},
    time::Duration,
};

use http::{Method, StatusCode};
use pixie_core::Found;

use crate::table::Composed;

pub(super) fn print(app: &Composed, method: &Method, path: &str, status: StatusCode, time: Duration, worker: usize) {
    let place = match app.router.find(method, path) {
        Found::Route { value, .. } => match value.pool() {
            Some(pool) if worker > 0 => format!("{} {}#{worker}", value.route.kind(), pool.name()),
            _ => value.route.kind().to_string(),
        },
        _ => "-".into(),
    };
    let mut out = stdout();
    let color = match status.as_u16() {
        _ if !out.is_terminal() || env::var_os("NO_COLOR").is_some() => "",
        500.. => "\x1b[31m",
        400.. => "\x1b[33m",
        _ => "\x1b[32m",
    };
    let reset = if color.is_empty() { "" } else { "\x1b[0m" };
    let (code, request, ms) = (status.as_u16(), format!("{method} {}", printable(path)), time.as_secs_f64() * 1e3);
    // Continues if standard output is closed.
    let _ = writeln!(out, "  {color}{code}{reset}  {request:<32} {ms:>8.1} ms  {place}");
}

/// Text from a client must not control the terminal.
fn printable(path: &str) -> String {
    path.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}
