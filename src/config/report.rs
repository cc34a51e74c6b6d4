//! What `pixie config` and `PIXIE_PRINT_CONFIG` show: each setting with its value and its origin.
//!
//! Invariant: the value of a secret is never shown.
use std::fmt::Write;

use pixie_pool::Config as PoolConfig;
use pixie_server::Listen;
use serde::Serialize;

use crate::table::{
    Composed,
    settings::{Row, Settings},
};

/// A setting of a running program.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    /// Its table in `pixie.toml`, such as `app` or `pools.images`.
    table: String,
    name: &'static str,
    value: String,
    /// `default`, `code`, `app` (a pool has it from `[app]`), a file with a line, or a variable.
    origin: String,
    /// Its variable of the environment, if one can set it.
    variable: String,
    /// What a text must be, and the range of its value; empty if every value is fine.
    takes: &'static str,
    range: &'static str,
    about: String,
}

/// Returns all settings of an app.
pub(crate) fn lines(app: &Composed) -> Vec<Line> {
    let defaults = Settings::default();
    let mut lines: Vec<_> = Row::all().into_iter().map(|row| of_row(app, row, &defaults)).collect();
    let after_port = lines.iter().position(|line| line.variable == "PIXIE_PORT").map_or(0, |at| at + 1);
    lines.splice(after_port..after_port, app.settings.listens.iter().map(of_listen));
    let secret = app.given.secret.as_ref();
    let after_app = lines.iter().position(|line| line.table != "app").unwrap_or(0);
    lines.insert(
        after_app,
        Line {
            table: "app".to_owned(),
            name: "secret",
            value: if secret.is_some() { "set" } else { "not set" }.to_owned(),
            origin: secret.map_or_else(|| "default".to_owned(), |(_, origin)| origin.clone()),
            variable: super::SECRET.to_owned(),
            takes: "at least 32 random bytes, or several such texts with commas between them",
            range: "",
            about: "The secret that seals cookies.".to_owned(),
        },
    );
    for slot in app.pools.values() {
        lines.extend(PoolConfig::settings().iter().map(|setting| Line {
            table: format!("pools.{}", slot.name()),
            name: setting.name,
            value: (setting.read)(&slot.config),
            origin: slot.origins.get(setting.name).map_or("default", String::as_str).to_owned(),
            variable: PoolConfig::variable(slot.name()),
            takes: setting.takes,
            range: setting.range,
            about: summary(setting.doc),
        }));
    }
    lines
}

/// Returns the line of an address of `App::listen`, which no file and no variable can set.
fn of_listen(listen: &Listen) -> Line {
    Line {
        table: "app".to_owned(),
        name: "listen",
        value: listen.to_string(),
        origin: "code".to_owned(),
        variable: String::new(),
        takes: "",
        range: "",
        about: "An address to listen on, in place of `host` and `port`.".to_owned(),
    }
}

fn of_row(app: &Composed, row: Row, defaults: &Settings) -> Line {
    let (value, code, default) = ((row.read)(&app.settings), (row.read)(&app.code), (row.read)(defaults));
    let origin = match app.given.origin(&row.key) {
        Some(origin) => origin,
        None if code != default => "code",
        None => "default",
    };
    // `none` would hide what applies then.
    let words = row.default.filter(|_| value == "none").map(|words| words.replace('`', ""));
    let (table, _) = row.key.split_once('.').unwrap_or_default();
    let (table, origin) = (table.to_owned(), origin.to_owned());
    let (takes, range, about) = (row.takes, row.range, summary(row.doc));
    Line { table, name: row.name, value: words.unwrap_or(value), origin, variable: row.variable, takes, range, about }
}

/// Returns the first sentence of a setting's documentation, without the targets of links.
pub(super) fn summary(doc: &str) -> String {
    let words: Vec<_> = doc.split("\n\n").next().unwrap_or_default().split_whitespace().collect();
    let mut is_code = false;
    let end = words.iter().position(|word| {
        is_code ^= word.matches('`').count() % 2 == 1;
        !is_code && word.ends_with(['.', ':'])
    });
    let end = end.map_or(words.len(), |at| at + 1);
    let (mut rest, mut text) = (words[..end].join(" "), String::new());
    while let Some((before, after)) = rest.split_once("](") {
        text += before;
        rest = after.split_once(')').map_or_else(String::new, |(_, rest)| rest.to_owned());
    }
    (text + &rest).replace('[', "").trim_end_matches([':', '.']).to_owned() + "."
}

/// Returns the settings as text, one in each line.
pub(crate) fn text(app: &Composed) -> String {
    let lines = lines(app);
    let width = |cell: fn(&Line) -> &str| lines.iter().map(|line| cell(line).chars().count()).max().unwrap_or(0);
    let (names, values) = (width(|line| line.name), width(|line| &line.value).min(VALUE_WIDTH));
    let mut text = match &app.given.files[..] {
        [] => "Files: none\n".to_owned(),
        files => format!("Files: {}\n", files.join(", ")),
    };
    for warning in &app.given.warnings {
        let _ = writeln!(text, "Warning: {warning}");
    }
    if !app.given.other_variables.is_empty() {
        let _ = writeln!(text, "Variables that are not settings: {}", app.given.other_variables.join(", "));
    }
    let mut table = "";
    for line in &lines {
        if line.table != table {
            table = &line.table;
            let _ = writeln!(text, "\n[{table}]");
        }
        let _ = writeln!(text, "  {:names$}  {:values$}  {}", line.name, line.value, line.origin);
    }
    text
}

/// Limits the width of the column of values, in characters, so that a line fits into 100 columns. A longer
/// value moves only its own origin.
const VALUE_WIDTH: usize = 32;
