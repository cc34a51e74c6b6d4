//! `pixie check`: what an app needs of this machine, line by line, each with what it means and how to mend it.
//!
//! A finding is a plain value; `toolchain` and `system` make them, and this file shows them.

mod system;
mod toolchain;

use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use clap::Args;
use serde::Serialize;

use crate::error::Error;

/// Arguments of `pixie check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Write the findings to stdout as JSON
    #[arg(long)]
    json: bool,
}

/// How well something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    /// It works, but less well than it could.
    Warning,
    /// Something will fail.
    Problem,
}

/// One line of the check.
#[derive(Debug, Serialize)]
struct Finding {
    name: &'static str,
    state: State,
    found: String,
    /// What it is good for, or what follows from it.
    meaning: &'static str,
    /// What to do about it.
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

/// Looks at everything and ends with 1 if there is a problem.
pub(crate) fn check(args: CheckArgs) -> Result<ExitCode, Error> {
    let mut findings = toolchain::findings();
    findings.extend(system::findings());
    if args.json {
        let json = serde_json::to_string_pretty(&findings);
        let json = json.map_err(|error| Error::new(format_args!("could not write the findings: {error}")))?;
        anstream::println!("{json}");
    } else {
        findings.iter().for_each(show);
    }
    let is_bad = findings.iter().any(|finding| finding.state == State::Problem);
    Ok(if is_bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn show(finding: &Finding) {
    let (word, colour) = match finding.state {
        State::Ok => ("ok", AnsiColor::Green),
        State::Warning => ("warning", AnsiColor::Yellow),
        State::Problem => ("problem", AnsiColor::BrightRed),
    };
    let style: Style = colour.on_default().bold();
    let Finding { name, found, meaning, .. } = finding;
    anstream::println!("{style}{word:>9}{style:#} {name}: {found}\n{:>10}{meaning}", "");
    if let Some(fix) = &finding.fix {
        let help = AnsiColor::BrightCyan.on_default().bold();
        anstream::println!("{:>10}{help}fix{help:#}: {fix}", "");
    }
}
