//! The command line as clap sees it: one variant and one line of `run` for each subcommand.
//!
//! The arguments of a subcommand are declared beside its code, in its own module.

use std::{env, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

#[cfg(unix)]
use crate::dev;
use crate::{cargo, check, completions, error::Error, interrupt, new, output, routes};

/// What `pixie` was asked to do.
#[derive(Debug, Parser)]
#[command(name = "pixie", version, about = "New projects, a development server and checks for pixie apps.")]
#[command(propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 success, 1 failure or problems found, 2 wrong usage, 101 cargo failed, 130 interrupted."
)]
pub(crate) struct Cli {
    /// The subcommand.
    #[command(subcommand)]
    pub(crate) command: Command,

    /// When to colour the output; NO_COLOR and CLICOLOR_FORCE are obeyed.
    #[command(flatten, next_help_heading = "Everywhere")]
    pub(crate) color: colorchoice_clap::Color,

    /// Run as if started in this folder
    #[arg(short = 'C', long, global = true, value_name = "DIR", help_heading = "Everywhere")]
    project: Option<PathBuf>,

    /// Show only failures and what was asked for
    #[arg(short, long, global = true, help_heading = "Everywhere")]
    quiet: bool,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes a new project from a template
    New(new::NewArgs),
    /// Makes a project in an existing folder
    Init(new::InitArgs),
    /// Builds and runs the app, and reloads it as you save
    #[cfg(unix)]
    Dev(dev::DevArgs),
    /// Shows the app's routes
    Routes(routes::RoutesArgs),
    /// Builds the app with optimisation and runs it
    Run(cargo::RunArgs),
    /// Builds the app with optimisation and says what came out
    Build(cargo::BuildArgs),
    /// Checks this machine: each line with what it means and the fix
    Check(check::CheckArgs),
    /// Writes the completion script of a shell to stdout
    Completions(completions::CompletionsArgs),
    /// Writes the manual pages, to stdout or into a folder
    Man(completions::ManArgs),
}

impl Cli {
    /// Does what the options for all subcommands ask for.
    pub(crate) fn prepare(&self) -> Result<(), Error> {
        if self.quiet {
            output::be_quiet();
        }
        let Some(folder) = &self.project else { return Ok(()) };
        env::set_current_dir(folder).map_err(|error| Error::io("enter the folder", folder, &error))
    }
}

impl Command {
    /// Runs the subcommand and returns the exit code of the program.
    pub(crate) fn run(self) -> Result<ExitCode, Error> {
        match self {
            Self::New(args) => interrupt::watch().and_then(|()| new::new(args))?,
            Self::Init(args) => interrupt::watch().and_then(|()| new::init(args))?,
            #[cfg(unix)]
            Self::Dev(args) => interrupt::watch().and_then(|()| dev::dev(args))?,
            Self::Routes(args) => routes::routes(args)?,
            Self::Run(args) => return cargo::run(args),
            Self::Build(args) => cargo::build(args)?,
            Self::Check(args) => return check::check(args),
            Self::Completions(args) => completions::completions(args)?,
            Self::Man(args) => completions::man(args)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
