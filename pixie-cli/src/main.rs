//! The `pixie` command: parses the command line and ends the program with the command's exit code.
//!
//! Data goes to stdout; whatever is meant for a person goes to stderr. Exit codes are listed in `error`.
#![forbid(unsafe_code)]

mod cli;
mod completions;
#[cfg(unix)]
mod dev;
mod error;
mod output;
mod project;
mod routes;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    cli.color.write_global();
    match cli.command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            ExitCode::from(error.code())
        }
    }
}
