//! `pixie check`: checks what an app needs on this machine, and prints for each point its meaning and the
//! fix.
//!
//! A finding is a plain value; `toolchain` and `system` make findings, and this file prints them.

mod system;
mod toolchain;

use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use clap::Args;
use serde::Serialize;

use crate::{error::Error, output};

/// Arguments of `pixie check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Write the findings to stdout as JSON
    #[arg(long)]
    json: bool,
}

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    /// It works, but could work better.
    Warning,
    /// It will fail.
    Problem,
}

/// One point of the check.
#[derive(Debug, Serialize)]
struct Finding {
    name: &'static str,
    state: State,
    found: String,
    /// The purpose, or the consequence.
    meaning: &'static str,
    fix: Option<String>,
}

impl Finding {
    fn ok(name: &'static str, found: impl Into<String>, meaning: &'static str) -> Self {
        Self { name, state: State::Ok, found: found.into(), meaning, fix: None }
    }

    fn warning(name: &'static str, found: impl Into<String>, meaning: &'static str, fix: impl Into<String>) -> Self {
        Self { name, state: State::Warning, found: found.into(), meaning, fix: Some(fix.into()) }
    }

    fn problem(name: &'static str, found: impl Into<String>, meaning: &'static str, fix: impl Into<String>) -> Self {
        Self { name, state: State::Problem, found: found.into(), meaning, fix: Some(fix.into()) }
    }
}

/// Prints all findings; the exit code is 1 if one of them is a problem.
pub(crate) fn check(args: CheckArgs) -> Result<ExitCode, Error> {
    let mut findings = toolchain::findings();
    findings.extend(system::findings());
    if args.json {
        output::json(&findings)?;
    } else {
        findings.iter().for_each(show);
    }
    let is_bad = findings.iter().any(|finding| finding.state == State::Problem);
    Ok(if is_bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn show(finding: &Finding) {
    let (word, color) = match finding.state {
        State::Ok => ("ok", AnsiColor::Green),
        State::Warning => ("warning", AnsiColor::Yellow),
        State::Problem => ("problem", AnsiColor::BrightRed),
    };
    let style: Style = color.on_default().bold();
    let Finding { name, found, meaning, .. } = finding;
    anstream::println!("{style}{word:>9}{style:#} {name}: {found}\n{:>10}{meaning}", "");
    if let Some(fix) = &finding.fix {
        let help = AnsiColor::BrightCyan.on_default().bold();
        anstream::println!("{:>10}{help}fix{help:#}: {fix}", "");
    }
}
