//! The built-in log: writes events of this program and its workers to standard error, one line for each
//! event.
//!
//! This is a small subscriber instead of `tracing-subscriber`. A program that needs spans or formats installs
//! its own. Other programs do not have to compile five more crates.
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

use crate::{
    error::StartError,
    table::{settings::variable, traces},
};

/// The target of the lines that workers print. The log of the worker has filtered them.
const OUTPUT: &str = "pixie_pool::output";

/// Starts the log of a server, unless the program has one. `RUST_LOG` says which events it has.
pub(crate) fn start() -> Result<(), StartError> {
    let directives = variable("RUST_LOG")?.unwrap_or_default();
    let (filter, unread) = Filter::parse(&directives);
    // `pixie dev` reads the log, and sets this variable if it shows the log on a terminal.
    let is_forced = env::var("CLICOLOR_FORCE").is_ok_and(|value| value != "0");
    let is_colored = (std::io::stderr().is_terminal() || is_forced) && env::var_os("NO_COLOR").is_none();
    let lines = Lines { filter, is_colored, is_dated: true };
    let wanted = "a level, or directives such as `info,my_app=debug`";
    let warning = format!("cannot read `{}` in RUST_LOG, which is ignored: use {wanted}", unread.join(","));
    let warning = lines.line(Level::WARN, &warning);
    if lines.install() && !unread.is_empty() {
        // Directly, because the filter may leave it out.
        let _ = std::io::stderr().write_all(warning.as_bytes());
    }
    Ok(())
}

/// Starts the log of a worker. Its lines become events of the server's log, which adds the time and the
/// worker.
pub(crate) fn start_in_worker() {
    let (filter, _) = Filter::parse(&env::var("RUST_LOG").unwrap_or_default());
    Lines { filter, is_colored: false, is_dated: false }.install();
}

/// Which events the log has: levels for the beginnings of targets, the longest first. Events of other targets
/// are left out.
struct Filter(Vec<(String, LevelFilter)>);

impl Filter {
    /// Reads the directives of `tracing-subscriber` that do not depend on spans and fields: `level`, `target`
    /// and `target=level`, separated by commas. Returns those that it cannot read, too. Without directives,
    /// the level is info.
    fn parse(text: &str) -> (Filter, Vec<&str>) {
        let (mut levels, mut unread) = (Vec::new(), Vec::new());
        for directive in text.split(',').map(str::trim).filter(|directive| !directive.is_empty()) {
            let read = match (directive.split_once('='), directive.parse()) {
                (Some((target, level)), _) => level.parse().ok().map(|level| (target, level)),
                (None, Ok(level)) => Some(("", level)),
                (None, Err(_)) => Some((directive, LevelFilter::TRACE)),
            };
            match read.filter(|(target, _)| !target.contains(|c: char| c.is_whitespace() || "[]{}/\"".contains(c))) {
                Some((target, level)) => levels.push((target.to_owned(), level)),
                None => unread.push(directive),
            }
        }
        if levels.is_empty() {
            levels.push((String::new(), LevelFilter::INFO));
        }
        // Of two directives for one target the last counts.
        levels.reverse();
        levels.sort_by_key(|(target, _)| std::cmp::Reverse(target.len()));
        (Filter(levels), unread)
    }

    fn level(&self, target: &str) -> LevelFilter {
        let named = self.0.iter().find(|(start, _)| target.starts_with(start.as_str())).map(|(_, level)| *level);
        let other = if target == OUTPUT { self.most() } else { LevelFilter::OFF };
        named.unwrap_or(other)
    }

    fn most(&self) -> LevelFilter {
        self.0.iter().map(|(_, level)| *level).max().unwrap_or(LevelFilter::OFF)
    }
}

/// Writes each event as one line: time, level, message, fields.
struct Lines {
    filter: Filter,
    is_colored: bool,
    is_dated: bool,
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= self.filter.level(metadata.target())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.filter.most())
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        if !line.fields.contains(" trace_id=")
            && let Some(trace) = traces::current_id()
        {
            // The digits of an id need no escaping, and writing to a string cannot fail.
            let _ = write!(line.fields, " trace_id={trace}");
        }
        let line = self.line(*event.metadata().level(), &(line.message + &line.fields));
        // One write, so that lines of other processes do not mix with this one.
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
    /// Returns whether this is the log now. If the program has installed its own subscriber, that one is
    /// used.
    fn install(self) -> bool {
        tracing::subscriber::set_global_default(self).is_ok()
    }

    fn line(&self, level: Level, text: &str) -> String {
        let time = if self.is_dated { httpdate::fmt_http_date(SystemTime::now()) + " " } else { String::new() };
        format!("{time}{} {text}\n", self.level_name(level))
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
