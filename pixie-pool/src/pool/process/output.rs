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

use crate::config::{LINE_BYTES_MAX, LOG_BYTES_PER_SECOND, LOG_LINE_BYTES, OUTPUT_DRAIN, STDERR_TAIL_BYTES};

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
        let budget = Arc::new(Mutex::new(Budget { second: Instant::now(), spent: 0 }));
        let mut readers = Vec::new();
        if let Some(pipe) = stdout {
            let lines = Lines::new(source.clone(), "stdout", Arc::clone(&budget));
            readers.push(tokio::spawn(drain(pipe, lines, None)));
        }
        if let Some(pipe) = stderr {
            let lines = Lines::new(source, "stderr", budget);
            readers.push(tokio::spawn(drain(pipe, lines, Some(Arc::clone(&tail)))));
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

/// What both pipes of a worker have brought into the log within a second.
#[derive(Debug)]
struct Budget {
    second: Instant,
    spent: usize,
}

impl Budget {
    /// Pays for a line; false if that is more than a second may cost, and so is all that follows in it.
    fn pay(&mut self, bytes: usize) -> bool {
        if self.second.elapsed() >= SECOND {
            *self = Budget { second: Instant::now(), spent: 0 };
        }
        self.spent += bytes + LOG_LINE_BYTES;
        self.spent <= LOG_BYTES_PER_SECOND
    }
}

const SECOND: Duration = Duration::from_secs(1);

/// Cuts a stream of bytes into lines and logs as many as the limit allows.
struct Lines {
    source: Source,
    pipe: &'static str,
    line: Vec<u8>,
    budget: Arc<Mutex<Budget>>,
    dropped: usize,
    /// When it was last looked whether anything had been dropped.
    reported: Instant,
}

impl Lines {
    fn new(source: Source, pipe: &'static str, budget: Arc<Mutex<Budget>>) -> Self {
        Lines { source, pipe, line: Vec::new(), budget, dropped: 0, reported: Instant::now() }
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
        if self.reported.elapsed() >= SECOND {
            self.report_dropped();
            self.reported = Instant::now();
        }
        if self.budget.lock().unwrap_or_else(PoisonError::into_inner).pay(self.line.len()) {
            let text = printable(&self.line);
            let Source { pool, worker, pid } = &self.source;
            tracing::info!(target: "pixie_pool::output", %pool, worker, pid, pipe = self.pipe, "{text}");
        } else {
            self.dropped += self.line.len();
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
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tracing::{Event, Metadata, Subscriber, span};

    use super::*;

    #[test]
    fn a_line_cannot_steer_the_terminal() {
        assert_eq!(printable(b"\x1b[2Jcleared\xff\tok\r\n"), "\u{fffd}[2Jcleared\u{fffd}\tok");
    }

    /// Counts events.
    #[derive(Clone, Default)]
    struct Count(Arc<AtomicUsize>);

    impl Subscriber for Count {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target() == "pixie_pool::output"
        }

        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }

        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

        fn event(&self, _: &Event<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn enter(&self, _: &span::Id) {}

        fn exit(&self, _: &span::Id) {}
    }

    #[tokio::test]
    async fn a_worker_that_prints_empty_lines_does_not_fill_the_log() {
        let count = Count::default();
        let _listening = tracing::subscriber::set_default(count.clone());
        let (begun, source) = (Instant::now(), Source { pool: "p".into(), worker: 1, pid: 0 });
        let empty = || std::io::Cursor::new(vec![b'\n'; 200_000]);
        let mut output = Output::read(source, Some(empty()), Some(empty()));
        for reader in output.readers.drain(..) {
            assert!(reader.await.is_ok());
        }
        let events = count.0.load(Ordering::Relaxed);
        // Each second that it takes has room for so many lines, and for a report from either pipe.
        let seconds = begun.elapsed().as_secs() as usize + 2;
        assert!((1..=seconds * (LOG_BYTES_PER_SECOND / LOG_LINE_BYTES + 2)).contains(&events), "{events}");
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
