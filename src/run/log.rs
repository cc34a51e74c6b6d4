//! The built-in log: writes events of this program and its workers to standard error, one line for each
//! event.
//!
//! This is a small subscriber instead of `tracing-subscriber`. A program that needs spans, formats or filters
//! by target installs its own. Other programs do not have to compile five more crates.
use std::{
    env,
    fmt::{self, Write as _},
    io::{IsTerminal, Write as _},
    time::SystemTime,
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span,
};

/// Starts the log of a server. `RUST_LOG` sets its level: `off`, `error`, `warn`, `info` (the default),
/// `debug` or `trace`.
pub(crate) fn start() {
    // `pixie dev` reads the log, and sets this variable if it shows the log on a terminal.
    let is_forced = env::var("CLICOLOR_FORCE").is_ok_and(|value| value != "0");
    let is_colored = (std::io::stderr().is_terminal() || is_forced) && env::var_os("NO_COLOR").is_none();
    Lines { level: level(), is_colored, is_dated: true }.install();
}

/// Starts the log of a worker. Its lines become events of the server's log, which adds the time and the
/// worker.
pub(crate) fn start_in_worker() {
    Lines { level: level(), is_colored: false, is_dated: false }.install();
}

fn level() -> LevelFilter {
    env::var("RUST_LOG").ok().and_then(|text| text.parse().ok()).unwrap_or(LevelFilter::INFO)
}

/// Writes each event as one line: time, level, message, fields.
struct Lines {
    level: LevelFilter,
    is_colored: bool,
    is_dated: bool,
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= self.level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let time = if self.is_dated { httpdate::fmt_http_date(SystemTime::now()) + " " } else { String::new() };
        let level = self.level_name(*event.metadata().level());
        // One write, so that lines of other processes do not mix with this one.
        let line = format!("{time}{level} {}{}\n", line.message, line.fields);
        // A failure of the log cannot be logged.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

impl Lines {
    fn install(self) {
        // Fails if the program has installed its own subscriber, which is used then.
        let _ = tracing::subscriber::set_global_default(self);
    }

    fn level_name(&self, level: Level) -> String {
        let color = match level {
            Level::ERROR => 31,
            Level::WARN => 33,
            Level::INFO => 32,
            _ => 2,
        };
        match self.is_colored {
            true => format!("\x1b[{color}m{level:>5}\x1b[0m"),
            false => format!("{level:>5}"),
        }
    }
}

/// The message and the fields of one event. Control characters are escaped and values with spaces are quoted,
/// so that a value cannot imitate another line or field.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        match field.name() {
            "message" => self.message.extend(text.chars().flat_map(harmless)),
            name => {
                // Writing to a string cannot fail.
                let _ = match is_plain(&text) {
                    true => write!(self.fields, " {name}={text}"),
                    false => write!(self.fields, " {name}=\"{}\"", text.chars().flat_map(quoted).collect::<String>()),
                };
            }
        }
    }
}

/// Returns whether a value needs no quotes: it has no spaces and cannot look like another field.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '='))
}

fn harmless(character: char) -> impl Iterator<Item = char> {
    let (escaped, plain) = match character.is_control() {
        true => (Some(character.escape_default()), None),
        false => (None, Some(character)),
    };
    escaped.into_iter().flatten().chain(plain)
}

fn quoted(character: char) -> impl Iterator<Item = char> {
    let backslash = matches!(character, '"' | '\\').then_some('\\');
    backslash.into_iter().chain(harmless(character))
}

#[cfg(test)]
mod tests;
