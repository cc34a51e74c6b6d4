//! The built-in log: one line on standard error for each event of this program and its workers.
//!
//! This is a small subscriber instead of `tracing-subscriber`. A program that needs spans or formats installs
//! its own. Other programs do not have to compile five more crates. `writer.rs` writes the lines of a server;
//! a worker writes its lines itself, and its server reads them as events.
mod writer;

use std::{
    env,
    fmt::{self, Write as _},
    io::IsTerminal,
    time::SystemTime,
};

use time::OffsetDateTime;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span,
};

pub(crate) use self::writer::{LogWriter, wants_requests};
use crate::{
    error::StartError,
    table::{
        settings::{LogFormat, Settings, variable},
        traces,
    },
};

/// The target of the lines that workers print. The log of the worker has filtered them.
const OUTPUT: &str = "pixie_pool::output";

/// The fields that the line of the request has already, under `pixie dev`.
const SHOWN_BY_REQUEST: [&str; 4] = ["status", "method", "path", "request"];

/// Starts the log of a server, unless the program has one. `RUST_LOG` says which events it has. Its lines are
/// written until the value is dropped.
pub(crate) fn start(settings: &Settings) -> Result<LogWriter, StartError> {
    let directives = variable("RUST_LOG")?.unwrap_or_default();
    let (filter, unread) = Filter::parse(&directives);
    // `pixie dev` reads the log, and sets this variable if it shows the log on a terminal.
    let is_forced = env::var("CLICOLOR_FORCE").is_ok_and(|value| value != "0");
    let is_colored = (std::io::stderr().is_terminal() || is_forced) && env::var_os("NO_COLOR").is_none();
    // `pixie dev` has a line for each request, so the log is short there. `RUST_LOG` gives the whole log.
    let is_short = env::var_os("PIXIE_DEV_SOCKET").is_some() && directives.is_empty();
    let lines = Lines { filter, is_colored, format: settings.log_format, is_dated: !is_short };
    let wanted = "a level, or directives such as `info,my_app=debug`";
    let warning = format!("cannot read `{}` in RUST_LOG, which is ignored: use {wanted}", unread.join(","));
    let warning = lines.line(Level::WARN, module_path!(), &lines.fields(warning));
    if lines.install() && !unread.is_empty() {
        // Directly, because the filter may leave it out.
        writer::write(warning.as_bytes());
    }
    LogWriter::start(settings.access_log).map_err(StartError::of_system)
}

/// Starts the log of a worker. Its lines become events of the server's log, which adds the worker.
pub(crate) fn start_in_worker() {
    let (filter, _) = Filter::parse(&env::var("RUST_LOG").unwrap_or_default());
    Lines { filter, is_colored: false, format: LogFormat::Json, is_dated: false }.install();
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

/// Writes each event as one line.
struct Lines {
    filter: Filter,
    is_colored: bool,
    format: LogFormat,
    is_dated: bool,
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        !metadata.is_span() && *metadata.level() <= self.filter.level(metadata.target())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.filter.most())
    }

    fn event(&self, event: &Event<'_>) {
        let (mut fields, target) = (self.fields(String::new()), event.metadata().target());
        if self.is_short() && target.starts_with("pixie_web") {
            fields.left_out = &SHOWN_BY_REQUEST;
        }
        event.record(&mut fields);
        // The failed request has a line of its own, with the same cause.
        if self.is_short() && target.starts_with("pixie_pool") && fields.has("route") {
            return;
        }
        if !fields.has_trace
            && let Some(trace) = traces::current_id()
        {
            fields.add("trace_id", &trace);
        }
        let line = self.line(*event.metadata().level(), target, &fields);
        writer::write(line.as_bytes());
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

    /// Returns whether this is the log of a program under `pixie dev`, for the person in front of it.
    fn is_short(&self) -> bool {
        self.format != LogFormat::Json && !self.is_dated
    }

    fn fields(&self, message: String) -> Fields {
        Fields {
            left_out: &[],
            is_json: self.format == LogFormat::Json,
            has_trace: false,
            message,
            others: String::with_capacity(192),
        }
    }

    fn line(&self, level: Level, target: &str, fields: &Fields) -> String {
        let (now, Fields { message, others, .. }) = (writer::now(), fields);
        let mut line = String::with_capacity(256);
        // Writing to a string cannot fail.
        if self.format == LogFormat::Json {
            line.push('{');
            if self.is_dated {
                line.push_str("\"timestamp\":\"");
                writer::add_second(&mut line, now, rfc3339);
                let micros = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().subsec_micros();
                let _ = write!(line, ".{micros:06}Z\",");
            }
            let (message, target) = (json(message), json(target));
            let _ = write!(
                line,
                "\"level\":\"{level}\",\"fields\":{{\"message\":{message}{others}}},\"target\":{target}}}"
            );
        } else {
            if self.is_dated {
                writer::add_second(&mut line, now, httpdate::fmt_http_date);
                line.push(' ');
            }
            line.push_str(&self.level_name(level));
            line.push(' ');
            line.extend(message.chars().flat_map(harmless));
            line.push_str(others);
        }
        line.push('\n');
        line
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

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Returns a second in UTC (RFC 3339), without its zone.
fn rfc3339(time: SystemTime) -> String {
    let time = OffsetDateTime::from(time);
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second) = time.to_hms();
    format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}", u8::from(month))
}

/// The message and the other fields of one event. In text, control characters are escaped and values with
/// spaces are quoted, so that a value cannot imitate another line or field.
struct Fields {
    is_json: bool,
    /// The names of fields that are not written.
    left_out: &'static [&'static str],
    has_trace: bool,
    message: String,
    others: String,
}

impl Fields {
    fn add(&mut self, name: &str, text: &str) {
        if self.left_out.contains(&name) {
            return;
        }
        self.add_name(name);
        match self.is_json {
            true => self.others.push_str(&json(text)),
            false if is_plain(text) => self.others.push_str(text),
            false => {
                self.others.push('"');
                self.others.extend(text.chars().flat_map(quoted));
                self.others.push('"');
            }
        }
    }

    /// Adds a value that needs no quotes.
    fn add_as_it_is(&mut self, name: &str, value: impl fmt::Display) {
        if self.left_out.contains(&name) {
            return;
        }
        self.add_name(name);
        // Writing to a string cannot fail.
        let _ = write!(self.others, "{value}");
    }

    /// Returns whether a field was written as text.
    fn has(&self, name: &str) -> bool {
        self.others.contains(&format!(" {name}="))
    }

    fn add_name(&mut self, name: &str) {
        let parts = if self.is_json { [",", &json(name), ":"] } else { [" ", name, "="] };
        parts.iter().for_each(|part| self.others.push_str(part));
    }
}

impl Visit for Fields {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add_as_it_is(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add_as_it_is(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add_as_it_is(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        match value.is_finite() {
            // Times such as 0.000098 are easier to read without an exponent.
            true if (1e-7..1.0).contains(&value) => self.add_as_it_is(field.name(), value),
            true => self.add_as_it_is(field.name(), format_args!("{value:?}")),
            false => self.add(field.name(), &value.to_string()),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message += value,
            name => {
                self.has_trace |= name == "trace_id";
                self.add(name, value);
            }
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
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
