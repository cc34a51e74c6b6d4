//! The error of a command: a message, the place, the fix, and the exit code.
//!
//! Exit codes: 0 success, 1 failure or problems found, 2 wrong usage (clap's), 101 cargo failed, 130
//! interrupted.

use std::{fmt, io, path::Path};

#[derive(Debug)]
pub(crate) struct Error {
    /// Empty if the error is not printed.
    pub(crate) message: String,
    pub(crate) place: Option<String>,
    pub(crate) help: Option<String>,
    pub(crate) code: u8,
}

impl Error {
    /// Returns an error with exit code 1. The message is in lower case, without a full stop.
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), place: None, help: None, code: 1 }
    }

    /// Returns an error of the file system: "could not `doing`", the path, and the reason.
    pub(crate) fn io(doing: &str, path: &Path, error: &io::Error) -> Self {
        let error = Self::new(format_args!("could not {doing}: {}", reason(error)));
        error.at(path.display())
    }

    /// Returns an error of cargo, which has printed the reason itself.
    pub(crate) fn cargo(message: impl fmt::Display) -> Self {
        Self { code: 101, ..Self::new(message) }
    }

    /// Returns an error of wrong usage that clap cannot find.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self { code: 2, ..Self::new(message) }
    }

    /// Returns the error of a command that Ctrl-C or a signal has ended; it is not printed.
    pub(crate) fn interrupted() -> Self {
        Self { code: 130, ..Self::new("") }
    }

    /// Puts the failed action before the message.
    #[must_use]
    pub(crate) fn because(mut self, doing: impl fmt::Display) -> Self {
        if !self.message.is_empty() {
            self.message = format!("{doing}: {}", self.message);
        }
        self
    }

    /// Adds the place: a path, a line, an address.
    #[must_use]
    pub(crate) fn at(mut self, place: impl fmt::Display) -> Self {
        self.place = Some(place.to_string());
        self
    }

    /// Adds the fix: something to do or to type.
    #[must_use]
    pub(crate) fn help(mut self, help: impl fmt::Display) -> Self {
        self.help = Some(help.to_string());
        self
    }

    /// Returns the place and the fix, as lines for a page.
    pub(crate) fn details(&self) -> String {
        let lines = [&self.place, &self.help].into_iter().flatten();
        lines.map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

/// Returns the system's message, without Rust's "(os error 13)".
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    text[..end].to_lowercase()
}
