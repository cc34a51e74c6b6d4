//! The `pixie` command: parses the command line, runs the subcommand and returns its exit code.
//!
//! Data goes to stdout, messages for people go to stderr. `error` lists the exit codes.
#![forbid(unsafe_code)]

mod add;
mod cargo;
mod check;
mod cli;
mod completions;
mod deploy;
#[cfg(unix)]
mod dev;
mod docs;
mod env_files;
mod error;
mod interrupt;
mod new;
mod output;
mod program;
mod project;
#[cfg(unix)]
mod reload;
mod routes;
mod top;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    if let Some(code) = new::generate_if_asked() {
        return code;
    }
    #[cfg(unix)]
    if let Some(code) = dev::guard_if_asked() {
        return code;
    }
    let cli = cli::Cli::parse();
    cli.color.write_global();
    let ended = cli.prepare().and_then(|()| cli.command.run());
    match ended {
        Ok(code) => code,
        Err(error) => {
            output::error(&error);
            ExitCode::from(error.code)
        }
    }
}
