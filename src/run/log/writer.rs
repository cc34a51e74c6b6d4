//! `LogWriter`: the thread that writes the log of a server, so that a slow reader of the log holds up no
//! request.
//!
//! It makes the events of answered requests, also for a subscriber of the program. Invariant: lines that did
//! not fit into the buffer are reported with their number.
use std::{
    cell::RefCell,
    fmt::Write as _,
    io::{self, Write as _},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, SystemTime},
};

use tracing::Level;

use super::rfc3339;
use crate::table::{
    access::{Answered, Batch, LOG},
    settings::AccessLog,
};

/// The target of the events of requests.
const TARGET: &str = "pixie_web::access";
/// Time that the last lines have at the end of a server whose log nothing reads.
const LAST_LINES: Duration = Duration::from_secs(1);
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

thread_local! {
    /// The second that was written last, as text of its format. To make it is a large part of a line.
    static SECOND: RefCell<(u64, Option<Format>, String)> = const { RefCell::new((0, None, String::new())) };
    /// The lines that the thread of the writer makes, and the time of the event.
    static MAKING: RefCell<Option<(Vec<u8>, SystemTime)>> = const { RefCell::new(None) };
}

type Format = fn(SystemTime) -> String;

/// Adds a time to a line, in a format that shows seconds.
pub(super) fn add_second(line: &mut String, at: SystemTime, format: Format) {
    let second = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    SECOND.with_borrow_mut(|(known, of, text)| {
        if *known != second || of.is_none_or(|of| !std::ptr::fn_addr_eq(of, format)) {
            (*known, *of, *text) = (second, Some(format), format(at));
        }
        line.push_str(text);
    });
}

/// Writes a line to standard error: through the writer, if there is one.
pub(super) fn write(line: &[u8]) {
    let is_made = |making: &RefCell<Option<(Vec<u8>, _)>>| {
        making.borrow_mut().as_mut().map(|(lines, _)| lines.extend_from_slice(line)).is_some()
    };
    if !MAKING.try_with(is_made).unwrap_or_default() && !LOG.push_line(line) {
        // One write, so that lines of other processes do not mix with this one.
        // A failure of the log cannot be logged.
        let _ = io::stderr().write_all(line);
    }
}

/// Returns the time of the event that is being logged.
pub(super) fn now() -> SystemTime {
    let made = MAKING.try_with(|making| making.borrow().as_ref().map(|(_, at)| *at));
    made.ok().flatten().unwrap_or_else(SystemTime::now)
}

/// Returns whether something reads what the log has of requests.
pub(crate) fn wants_requests(access_log: AccessLog) -> bool {
    match access_log {
        AccessLog::On => tracing::enabled!(target: TARGET, Level::INFO),
        AccessLog::Common => true,
        AccessLog::Off => false,
    }
}

/// The writer of a server. Dropping it writes what is left.
pub(crate) struct LogWriter(Option<Receiver<()>>);

impl LogWriter {
    pub(super) fn start(access_log: AccessLog) -> io::Result<LogWriter> {
        // A second server in one process, as in tests, uses the writer of the first.
        if !LOG.open() {
            return Ok(LogWriter(None));
        }
        let (sender, ended) = channel();
        let run = move || {
            let mut batch = Batch::new();
            while LOG.take(&mut batch) {
                write_batch(&batch, access_log);
                batch.clear();
            }
            drop(sender);
        };
        thread::Builder::new().name("log".into()).spawn(run).inspect_err(|_| LOG.close())?;
        Ok(LogWriter(Some(ended)))
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        if let Some(ended) = &self.0 {
            LOG.close();
            // The thread drops the sender at its end.
            let _ = ended.recv_timeout(LAST_LINES);
        }
    }
}

fn write_batch(batch: &Batch, access_log: AccessLog) {
    MAKING.set(Some((batch.lines.clone(), SystemTime::now())));
    if batch.lost > 0 {
        tracing::warn!(lost = batch.lost, "lost lines of the log, because its reader is too slow");
    }
    let mut common = String::new();
    for request in batch.requests() {
        match access_log {
            AccessLog::Common => common_line(&mut common, &request),
            _ => {
                MAKING.with_borrow_mut(|making| making.as_mut().map(|(_, at)| *at = request.at));
                emit(&request);
            }
        }
    }
    let lines = MAKING.take().map(|(lines, _)| lines).unwrap_or_default();
    // A failure of the log cannot be logged.
    let _ = io::stderr().write_all(&lines);
    let _ = io::stdout().write_all(common.as_bytes()).and_then(|()| io::stdout().flush());
}

fn emit(request: &Answered<'_>) {
    let Answered { took, status, bytes, method, path, id, trace_id, client, place, .. } = request;
    tracing::info!(
        target: TARGET,
        method,
        path,
        status,
        took = took.as_micros() as f64 / 1e6,
        bytes,
        kind = place.kind.map(|kind| kind.as_str()),
        pool = place.pool,
        worker = place.worker,
        client = client.as_ref().map(tracing::field::display),
        request = id,
        trace_id,
        "request"
    );
}

/// Adds a line in the Common Log Format: client, time, request, status, bytes.
fn common_line(lines: &mut String, request: &Answered<'_>) {
    let Answered { at, version, status, method, path, bytes, client, .. } = request;
    // Writing to a string cannot fail.
    let _ = match client {
        Some(client) => write!(lines, "{client} - - ["),
        None => write!(lines, "- - - ["),
    };
    add_second(lines, *at, |at| {
        let time = rfc3339(at);
        // `2026-11-26T10:00:00`
        let month = time[5..7].parse::<usize>().ok().and_then(|month| MONTHS.get(month - 1)).unwrap_or(&"-");
        format!("{}/{month}/{}:{} +0000", &time[8..10], &time[..4], &time[11..])
    });
    let _ = write!(lines, "] \"{method} {path} {version:?}\" {status} ");
    let _ = match bytes {
        Some(bytes) => writeln!(lines, "{bytes}"),
        None => writeln!(lines, "-"),
    };
}

#[cfg(test)]
mod tests {
    use http::Version;

    use super::*;
    use crate::table::access::Place;

    #[test]
    fn a_common_line_has_what_other_programs_expect() {
        let request = Answered {
            at: SystemTime::UNIX_EPOCH + Duration::from_micros(1_000_000_000_000_000),
            took: Duration::from_millis(1),
            version: Version::HTTP_11,
            status: 200,
            bytes: None,
            client: Some([192, 0, 2, 1].into()),
            place: Place::default(),
            method: "GET",
            path: "/users/1",
            id: None,
            trace_id: None,
        };
        let mut lines = String::new();
        common_line(&mut lines, &request);
        common_line(&mut lines, &Answered { bytes: Some(12), client: None, ..request });
        let expected = "192.0.2.1 - - [09/Sep/2001:01:46:40 +0000] \"GET /users/1 HTTP/1.1\" 200 -\n\
                        - - - [09/Sep/2001:01:46:40 +0000] \"GET /users/1 HTTP/1.1\" 200 12\n";
        assert_eq!(lines, expected);
    }
}
