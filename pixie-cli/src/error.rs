//! What a command fails with: a message, where it happened, how to get on, and the exit code.
//!
//! Exit codes: 0 success, 1 failure or problems found, 2 wrong usage (clap's), 101 cargo failed, 130 interrupted.

use std::{fmt, io, path::Path};

/// Why a command failed; `output::error` shows it.
#[derive(Debug)]
pub(crate) struct Error {
    message: String,
    place: Option<String>,
    help: Option<String>,
    code: u8,
}

impl Error {
    /// Returns a failure: lower case, no full stop.
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), place: None, help: None, code: 1 }
    }

    /// Returns a failure of the file system: what was being done, to which path, and what the system said.
    pub(crate) fn io(doing: &str, path: &Path, error: &io::Error) -> Self {
        let error = Self::new(format_args!("could not {doing}: {}", reason(error)));
        error.at(path.display())
    }

    /// Returns a failure of cargo, which has said why itself.
    pub(crate) fn cargo(message: impl fmt::Display) -> Self {
        Self { code: 101, ..Self::new(message) }
    }

    /// Returns wrong usage that clap cannot see.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self { code: 2, ..Self::new(message) }
    }

    /// Returns the end by Ctrl-C or a signal: nothing is shown.
    pub(crate) fn interrupted() -> Self {
        Self { code: 130, ..Self::new("") }
    }

    /// Puts what was being done before the reason.
    #[must_use]
    pub(crate) fn because(mut self, doing: impl fmt::Display) -> Self {
        if !self.message.is_empty() {
            self.message = format!("{doing}: {}", self.message);
        }
        self
    }

    /// Adds where it happened: a path, a line, an address.
    #[must_use]
    pub(crate) fn at(mut self, place: impl fmt::Display) -> Self {
        self.place = Some(place.to_string());
        self
    }

    /// Adds how to get on, as something to do or to type.
    #[must_use]
    pub(crate) fn help(mut self, help: impl fmt::Display) -> Self {
        self.help = Some(help.to_string());
        self
    }

    /// Returns what went wrong; empty when there is nothing left to say.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Returns where it happened.
    pub(crate) fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }

    /// Returns how to get on.
    pub(crate) fn remedy(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// Returns where it happened and how to get on, in lines for a page.
    pub(crate) fn details(&self) -> String {
        let lines = [&self.place, &self.help].into_iter().flatten();
        lines.map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    /// Returns the exit code of the program.
    pub(crate) fn code(&self) -> u8 {
        self.code
    }
}

/// What the system said, without Rust's "(os error 13)".
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    text[..end].to_lowercase()
}
