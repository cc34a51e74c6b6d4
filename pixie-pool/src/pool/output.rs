//! What workers print: into the log, with a limit, and the last of stderr for the report of a death.
//!
//! Owns reading both pipes to their end. Rule: always read, whatever is dropped, so that a worker never blocks on its own output.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    task::JoinHandle,
    time::{Instant, timeout},
};

use crate::config::{LINE_BYTES_MAX, LOG_BYTES_PER_SECOND, OUTPUT_DRAIN, STDERR_TAIL_BYTES};

/// The readers of one worker's pipes.
#[derive(Debug)]
pub(crate) struct Output {
    tail: Arc<Mutex<VecDeque<u8>>>,
    readers: Vec<JoinHandle<()>>,
}

/// Whose output it is.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) pool: Arc<str>,
    pub(crate) worker: usize,
    pub(crate) pid: u32,
}

impl Output {
    /// Starts reading.
    pub(crate) fn read<O, E>(source: Source, stdout: Option<O>, stderr: Option<E>) -> Self
    where
        O: AsyncRead + Unpin + Send + 'static,
        E: AsyncRead + Unpin + Send + 'static,
    {
        let tail = Arc::new(Mutex::new(VecDeque::new()));
        let mut readers = Vec::new();
        if let Some(pipe) = stdout {
            readers.push(tokio::spawn(drain(pipe, Lines::new(source.clone(), "stdout"), None)));
        }
        if let Some(pipe) = stderr {
            readers.push(tokio::spawn(drain(pipe, Lines::new(source, "stderr"), Some(Arc::clone(&tail)))));
        }
        Output { tail, readers }
    }

    /// Reads to the end, but not for ever, and returns the last of stderr.
    pub(crate) async fn finish(mut self) -> String {
        for mut reader in self.readers.drain(..) {
            if timeout(OUTPUT_DRAIN, &mut reader).await.is_err() {
                reader.abort();
            }
        }
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(tail.make_contiguous()).into_owned()
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.readers.iter().for_each(JoinHandle::abort);
    }
}

async fn drain(mut pipe: impl AsyncRead + Unpin, mut lines: Lines, tail: Option<Arc<Mutex<VecDeque<u8>>>>) {
    let mut buffer = vec![0; 8 * 1024];
    while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
        if let Some(tail) = &tail {
            let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
            tail.extend(&buffer[..count]);
            let excess = tail.len().saturating_sub(STDERR_TAIL_BYTES);
            tail.drain(..excess);
        }
        lines.push(&buffer[..count]);
    }
    lines.finish();
}

/// Cuts a stream of bytes into lines and logs as many as the limit allows.
struct Lines {
    source: Source,
    pipe: &'static str,
    line: Vec<u8>,
    second: Instant,
    logged: usize,
    dropped: usize,
}

impl Lines {
    fn new(source: Source, pipe: &'static str) -> Self {
        Lines { source, pipe, line: Vec::new(), second: Instant::now(), logged: 0, dropped: 0 }
    }

    fn push(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            let room = LINE_BYTES_MAX - self.line.len();
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            self.dropped += piece.len().saturating_sub(room);
            if piece.ends_with(b"\n") || self.line.len() == LINE_BYTES_MAX {
                self.log();
            }
        }
    }

    fn finish(&mut self) {
        if !self.line.is_empty() {
            self.log();
        }
        self.report_dropped();
    }

    fn log(&mut self) {
        if self.second.elapsed() >= Duration::from_secs(1) {
            self.report_dropped();
            self.second = Instant::now();
            self.logged = 0;
        }
        self.logged += self.line.len();
        if self.logged > LOG_BYTES_PER_SECOND {
            self.dropped += self.line.len();
        } else {
            let text = printable(&self.line);
            let Source { pool, worker, pid } = &self.source;
            tracing::info!(target: "pixie_pool::output", %pool, worker, pid, pipe = self.pipe, "{text}");
        }
        self.line.clear();
    }

    fn report_dropped(&mut self) {
        if self.dropped > 0 {
            let Source { pool, worker, pid } = &self.source;
            tracing::warn!(target: "pixie_pool::output", %pool, worker, pid, pipe = self.pipe, bytes = self.dropped, "output dropped");
            self.dropped = 0;
        }
    }
}

/// Text without anything that would steer a terminal or fake a line.
pub(crate) fn printable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let clean = |c: char| {
        if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c }
    };
    text.trim_end_matches(['\n', '\r']).chars().map(clean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_cannot_steer_the_terminal() {
        assert_eq!(printable(b"\x1b[2Jcleared\xff\tok\r\n"), "\u{fffd}[2Jcleared\u{fffd}\tok");
    }

    #[tokio::test]
    async fn the_tail_holds_the_last_of_stderr() {
        let written = vec![b'a'; 20 * 1024].into_iter().chain(*b"the end\n").collect::<Vec<u8>>();
        let source = Source { pool: "p".into(), worker: 1, pid: 0 };
        let output = Output::read(source, None::<&[u8]>, Some(std::io::Cursor::new(written)));
        let tail = output.finish().await;
        assert_eq!(tail.len(), STDERR_TAIL_BYTES);
        assert!(tail.ends_with("aaathe end\n"));
    }
}
