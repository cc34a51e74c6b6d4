//! The reference of settings in the guide's page `configuration.md`, made from the tables of settings.
//!
//! Invariant: the page on disk has exactly what the tables say. To write it anew:
//! `UPDATE_REFERENCE=1 cargo test -p pixie-web --all-features --lib reference`.
use std::{env, fmt::Write, fs};

use pixie_grammar::TextValue;
use pixie_pool::Config as PoolConfig;

use crate::{
    config::report::summary,
    table::settings::{Row, Settings},
};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/reference/configuration.md");
/// The line above the reference. The rest of the page is the reference.
const START: &str = "<!-- Made from the tables of settings by the test of src/config/reference.rs. -->\n";

fn reference() -> String {
    let (mut text, mut table, defaults) = (String::new(), String::new(), Settings::default());
    for row in Row::all() {
        let (own, _) = row.key.split_once('.').expect("a key has a table");
        if own != table {
            table = own.to_owned();
            heading(&mut text, own, "variable");
        }
        let default = row.default.map_or_else(|| format!("`{}`", (row.read)(&defaults)), str::to_owned);
        let cells = [
            row.name,
            &row.variable,
            &default,
            &value(row.takes, row.range, (row.write)(&mut Settings::default(), "none").is_ok()),
            &summary(row.doc),
        ];
        let _ = writeln!(text, "| `{}` | `{}` | {} | {} | {} |", cells[0], cells[1], cells[2], cells[3], cells[4]);
    }
    heading(&mut text, "pools.NAME", "in `PIXIE_POOL_NAME`");
    let defaults = PoolConfig::default();
    for setting in PoolConfig::settings() {
        let default = of_app(setting.name)
            .or(setting.default)
            .map_or_else(|| format!("`{}`", (setting.read)(&defaults)), str::to_owned);
        let (value, about) = (
            value(setting.takes, setting.range, (setting.write)(&mut PoolConfig::default(), "none").is_ok()),
            summary(setting.doc),
        );
        let _ = writeln!(text, "| `{0}` | `{0}=` | {default} | {value} | {about} |", setting.name);
    }
    text
}

fn heading(text: &mut String, table: &str, variable: &str) {
    let _ = writeln!(text, "\n## `[{table}]`\n\n| setting | {variable} | default | value | what it sets |");
    text.push_str("|---|---|---|---|---|\n");
}

fn value(takes: &str, range: &str, takes_none: bool) -> String {
    let range = match range.split_once("..") {
        None => String::new(),
        Some((least, "")) => format!(", at least {least}"),
        Some((least, most)) => format!(", {least} to {most}"),
    };
    let none = if takes_none && takes != String::TAKES { ", or `none`" } else { "" };
    format!("{takes}{range}{none}")
}

/// Returns where a pool of an app has its value from, if that is not the default of pixie-pool.
fn of_app(name: &str) -> Option<&'static str> {
    match name {
        "deadline" | "queue_timeout" | "slow_after" => Some("as in `[app]`"),
        "memory" => Some("`worker_memory` of `[app]`"),
        "size" => Some("`workers` of `[app]`"),
        _ => None,
    }
}

#[test]
fn the_reference_of_the_guide_is_what_the_tables_say() {
    let page = fs::read_to_string(PAGE).expect("the page can be read");
    let (text, old) = page.split_once(START).expect("the page has the line above the reference");
    let new = reference();
    if env::var_os("UPDATE_REFERENCE").is_some() {
        fs::write(PAGE, format!("{text}{START}{new}")).expect("the page can be written");
    } else {
        let fix = "run `UPDATE_REFERENCE=1 cargo test -p pixie-web --all-features --lib reference`";
        assert!(old == new, "the settings have changed: {fix}");
    }
}
