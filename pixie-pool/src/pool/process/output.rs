//! What workers print: into the log, up to a limit, and the end of stderr into the exit report. `event.rs`
//! finds the events in it.
//!
//! Invariant: both pipes are read to their end. A worker that prints more than is logged is slowed down, so
//! that reading its output does not cost the server a core.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use crate::{
    config::{
        DROPPED_READS, DROPPED_READS_PAUSE, LINE_BYTES_MAX, LOG_BYTES_PER_SECOND, LOG_LINE_BYTES, OUTPUT_DRAIN,
        STDERR_TAIL_BYTES,
    },
    pool::process::event,
};

#[derive(Debug)]
pub(crate) struct Output {
    tail: Arc<Mutex<VecDeque<u8>>>,
    reader: JoinHandle<()>,
}

/// The worker that an event of the log belongs to.
#[derive(Clone, Debug)]
pub(crate) struct WorkerLabel {
    pub(crate) pool: Arc<str>,
    pub(crate) worker: usize,
    pub(crate) pid: u32,
}

impl Output {
    pub(crate) fn read<O, E>(label: WorkerLabel, stdout: Option<O>, stderr: Option<E>) -> Self
    where
        O: AsyncRead + Unpin + Send + 'static,
        E: AsyncRead + Unpin + Send + 'static,
    {
        let tail = Arc::new(Mutex::new(VecDeque::new()));
        let budget = Arc::new(Mutex::new(Budget { second: Instant::now(), spent: 0 }));
        let of_stdout = Lines::new(label.clone(), "stdout", Arc::clone(&budget));
        let of_stderr = Lines::new(label, "stderr", budget);
        let kept = Arc::clone(&tail);
        let reader = tokio::spawn(async move {
            tokio::join!(drain(stdout, of_stdout, None), drain(stderr, of_stderr, Some(kept)));
        });
        Output { tail, reader }
    }

    /// Reads to the end of the pipes, for a limited time, and returns the end of stderr.
    pub(crate) async fn finish(mut self) -> String {
        if timeout(OUTPUT_DRAIN, &mut self.reader).await.is_err() {
            self.reader.abort();
            // Then the pipes are closed.
            let _ = (&mut self.reader).await;
        }
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(tail.make_contiguous()).into_owned()
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn drain(pipe: Option<impl AsyncRead + Unpin>, mut lines: Lines, tail: Option<Arc<Mutex<VecDeque<u8>>>>) {
    let Some(mut pipe) = pipe else { return };
    // Few workers print, so it is not filled with zeros.
    let (mut buffer, mut dropped) = (Vec::with_capacity(8 * 1024), 0);
    while let Ok(count @ 1..) = pipe.read_buf(&mut buffer).await {
        if let Some(tail) = &tail {
            let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
            tail.extend(&buffer);
            let excess = tail.len().saturating_sub(STDERR_TAIL_BYTES);
            tail.drain(..excess);
        }
        if lines.has_room() {
            lines.push(&buffer);
            buffer.clear();
            continue;
        }
        buffer.clear();
        lines.skip(count);
        dropped += 1;
        if dropped % DROPPED_READS == 0 {
            sleep(DROPPED_READS_PAUSE).await;
        }
    }
    lines.finish();
}

/// The bytes that both pipes of a worker have logged within the current second.
#[derive(Debug)]
struct Budget {
    second: Instant,
    spent: usize,
}

impl Budget {
    /// Counts a line; returns false if the limit of the current second is reached.
    fn count(&mut self, bytes: usize) -> bool {
        let has_room = self.has_room();
        self.spent += bytes + LOG_LINE_BYTES;
        has_room
    }

    fn has_room(&mut self) -> bool {
        if self.second.elapsed() >= SECOND {
            *self = Budget { second: Instant::now(), spent: 0 };
        }
        self.spent < LOG_BYTES_PER_SECOND
    }
}

const SECOND: Duration = Duration::from_secs(1);

/// Splits a stream of bytes into lines and logs as many as the limit allows.
struct Lines {
    label: WorkerLabel,
    pipe: &'static str,
    line: Vec<u8>,
    budget: Arc<Mutex<Budget>>,
    dropped: usize,
    /// When dropped output was last reported.
    reported: Instant,
}

impl Lines {
    fn new(label: WorkerLabel, pipe: &'static str, budget: Arc<Mutex<Budget>>) -> Self {
        Lines { label, pipe, line: Vec::new(), budget, dropped: 0, reported: Instant::now() }
    }

    fn has_room(&self) -> bool {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner).has_room()
    }

    /// Drops bytes, and the line that they continue, without looking at them.
    fn skip(&mut self, count: usize) {
        self.dropped += count + self.line.len();
        self.line.clear();
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
        if self.budget.lock().unwrap_or_else(PoisonError::into_inner).count(self.line.len()) {
            if !event::log(&self.label, &self.line) {
                let text = printable(&self.line);
                let WorkerLabel { pool, worker, pid } = &self.label;
                tracing::info!(target: "pixie_pool::output", %pool, worker, pid, pipe = self.pipe, "{text}");
            }
        } else {
            self.dropped += self.line.len();
        }
        self.line.clear();
    }

    fn report_dropped(&mut self) {
        if self.dropped > 0 {
            let WorkerLabel { pool, worker, pid } = &self.label;
            tracing::warn!(target: "pixie_pool::output", %pool, worker, pid, pipe = self.pipe, bytes = self.dropped, "output dropped");
            self.dropped = 0;
        }
    }
}

/// Returns the line without characters that could control a terminal or forge a line.
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
    fn a_line_cannot_control_the_terminal() {
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
        let (begun, label) = (Instant::now(), WorkerLabel { pool: "p".into(), worker: 1, pid: 0 });
        let empty = || std::io::Cursor::new(vec![b'\n'; 200_000]);
        let mut output = Output::read(label, Some(empty()), Some(empty()));
        assert!((&mut output.reader).await.is_ok());
        let events = count.0.load(Ordering::Relaxed);
        // Each second has room for this many lines, and for a report from each pipe.
        let seconds = begun.elapsed().as_secs() as usize + 2;
        assert!((1..=seconds * (LOG_BYTES_PER_SECOND / LOG_LINE_BYTES + 2)).contains(&events), "{events}");
    }

    /// Prints without end, as fast as it is read.
    struct Flood(Arc<AtomicUsize>);

    impl AsyncRead for Flood {
        fn poll_read(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            target: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            self.0.fetch_add(target.remaining(), Ordering::Relaxed);
            target.put_slice(&vec![b'y'; target.remaining()]);
            std::task::Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn a_worker_that_floods_its_output_is_read_at_a_limited_rate() {
        let (read, label) = (Arc::new(AtomicUsize::new(0)), WorkerLabel { pool: "p".into(), worker: 1, pid: 0 });
        let output = Output::read(label, Some(Flood(Arc::clone(&read))), None::<&[u8]>);
        let begun = Instant::now();
        sleep(Duration::from_millis(300)).await;
        drop(output);
        let limit = 10_000_000.0 * begun.elapsed().as_secs_f64();
        assert!((read.load(Ordering::Relaxed) as f64) < limit, "{read:?} {limit}");
    }

    #[tokio::test]
    async fn the_tail_holds_the_last_of_stderr() {
        let written = vec![b'a'; 20 * 1024].into_iter().chain(*b"the end\n").collect::<Vec<u8>>();
        let label = WorkerLabel { pool: "p".into(), worker: 1, pid: 0 };
        let output = Output::read(label, None::<&[u8]>, Some(std::io::Cursor::new(written)));
        let tail = output.finish().await;
        assert_eq!(tail.len(), STDERR_TAIL_BYTES);
        assert!(tail.ends_with("aaathe end\n"));
    }
}
