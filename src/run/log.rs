//! The log: events of this program and its workers as lines on standard error, unless the program has a log of its own.
//!
//! A subscriber of a few lines instead of `tracing-subscriber`: a program that wants spans, formats or filters by target
//! brings its own, and one that does not should not compile five crates for it.
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

/// Starts the log of a server. `RUST_LOG` chooses its level: `off`, `error`, `warn`, `info` (the default), `debug` or `trace`.
pub(crate) fn start() {
    // `pixie dev` reads the log along, and says by this variable that it shows it on a terminal.
    let is_forced = env::var("CLICOLOR_FORCE").is_ok_and(|value| value != "0");
    let is_coloured = (std::io::stderr().is_terminal() || is_forced) && env::var_os("NO_COLOR").is_none();
    Lines { level: level(), is_coloured, is_dated: true }.install();
}

/// Starts the log of a worker, whose lines become events of the server's log: that dates them and says whose they are.
pub(crate) fn start_in_worker() {
    Lines { level: level(), is_coloured: false, is_dated: false }.install();
}

fn level() -> LevelFilter {
    env::var("RUST_LOG").ok().and_then(|text| text.parse().ok()).unwrap_or(LevelFilter::INFO)
}

/// Writes each event as one line: time, level, message, fields.
struct Lines {
    level: LevelFilter,
    is_coloured: bool,
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
        // In one piece, so that nothing of another process or of the request log comes in between.
        let line = format!("{time}{level} {}{}\n", line.message, line.fields);
        // The log is the last place where a failure could be told, so its own is not.
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
        // It fails if the program has set up its own, which is then the log.
        let _ = tracing::subscriber::set_global_default(self);
    }

    fn level_name(&self, level: Level) -> String {
        let colour = match level {
            Level::ERROR => 31,
            Level::WARN => 33,
            Level::INFO => 32,
            _ => 2,
        };
        match self.is_coloured {
            true => format!("\x1b[{colour}m{level:>5}\x1b[0m"),
            false => format!("{level:>5}"),
        }
    }
}

/// The message and the fields of one event. Control characters are escaped and values with spaces are quoted, so that nothing
/// in an event can forge another line or field.
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

/// Says whether a value ends where the next space is and holds nothing that would look like another field.
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
