//! How far a build is, as cargo's progress bar says: `Building [====>   ] 37/117: serde, syn`.
//!
//! cargo writes the bar to a pipe if it is asked to. The bar ends with a carriage return, other lines with a
//! line feed.

use std::{
    fmt,
    io::{BufRead, BufReader, IsTerminal, Read, stderr},
    process::Command,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

/// Whether the last line of the terminal shows the progress.
static IS_SHOWN: AtomicBool = AtomicBool::new(false);

/// The number of finished steps of a build, and of all its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) done: u32,
    pub(crate) total: u32,
}

impl Progress {
    /// Lets cargo write its bar.
    pub(crate) fn ask(cargo: &mut Command) {
        cargo.env("CARGO_TERM_PROGRESS_WHEN", "always").env("CARGO_TERM_PROGRESS_WIDTH", "80");
    }

    /// Parses a line of cargo, with or without colors. Returns `None` for other lines than the bar.
    pub(crate) fn parse(line: &str) -> Option<Progress> {
        let line = anstream::adapter::strip_str(line).to_string();
        let (_, rest) = line.trim().strip_prefix("Building [")?.split_once(']')?;
        let (done, total) = rest.trim().split([':', ' ']).next()?.split_once('/')?;
        Some(Progress { done: done.parse().ok()?, total: total.parse().ok()? })
    }

    /// Shows the progress in the last line of a terminal. The cursor stays at its beginning, so that the next
    /// message replaces it.
    pub(crate) fn show(self) {
        if stderr().is_terminal() {
            IS_SHOWN.store(true, Relaxed);
            let head = crate::output::HEAD;
            anstream::eprint!("\x1b[K{head}{:>12}{head:#} {self}\r", "Building");
        }
    }

    /// Removes the line of the progress from the terminal, if it is there.
    pub(crate) fn clear() {
        if IS_SHOWN.swap(false, Relaxed) {
            anstream::eprint!("\x1b[K");
        }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} crates", self.done, self.total)
    }
}

/// Returns the lines of cargo, each bar as a line of its own.
pub(crate) fn lines(pipe: impl Read) -> impl Iterator<Item = String> {
    let mut reader = BufReader::new(pipe);
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        loop {
            let buffer = reader.fill_buf().ok()?;
            let end = buffer.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (taken, is_end) = (end.unwrap_or(buffer.len()), end.is_some() || buffer.is_empty());
            line.extend_from_slice(&buffer[..taken]);
            let is_over = buffer.is_empty() && line.is_empty();
            reader.consume(taken + usize::from(end.is_some()));
            if is_over {
                return None;
            }
            if is_end {
                let line = String::from_utf8_lossy(&line);
                return Some(line.strip_prefix("\x1b[K").unwrap_or(&line).to_owned());
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{Progress, lines};

    #[test]
    fn bars_and_lines_are_told_apart() {
        let said = "\x1b[1m   Compiling\x1b[0m memchr v2\n    Building [   ] 0/4: memchr   \r\x1b[K    Building [==>] 12/40 \r\x1b[K\
            \x1b[1m\x1b[96m    Building\x1b[0m [=>  ] 1/4: a, b   \r\x1b[K    Finished in 1 s";
        let found: Vec<_> = lines(said.as_bytes()).map(|line| Progress::parse(&line)).collect();
        let bar = |done, total| Some(Progress { done, total });
        assert_eq!(found, [None, bar(0, 4), bar(12, 40), bar(1, 4), None]);
        let last = lines(said.as_bytes()).last();
        assert_eq!(last.as_deref(), Some("    Finished in 1 s"));
        assert_eq!(lines(&b"a\n\nb"[..]).collect::<Vec<_>>(), ["a", "", "b"]);
    }
}
