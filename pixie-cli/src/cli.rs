//! The command line: one variant and one line of `run` for each subcommand.
//!
//! Each subcommand declares its arguments in its own module.

use std::{env, path::PathBuf, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};

use crate::{add, cargo, check, completions, deploy, docs, error::Error, interrupt, new, output, routes, top};
#[cfg(unix)]
use crate::{dev, reload};

/// The parsed command line.
#[derive(Debug, Parser)]
#[command(name = "pixie", version, about = "New projects, a development server and checks for pixie apps.")]
#[command(propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 success, 1 failure or problems found, 2 wrong usage, 101 cargo failed, 130 interrupted."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// When to use colors. `NO_COLOR` and `CLICOLOR_FORCE` also apply.
    #[command(flatten, next_help_heading = "Everywhere")]
    pub(crate) color: colorchoice_clap::Color,

    /// Run as if started in this folder
    #[arg(short = 'C', long, global = true, value_name = "DIR", help_heading = "Everywhere")]
    project: Option<PathBuf>,

    /// Show only errors and the requested output
    #[arg(short, long, global = true, help_heading = "Everywhere")]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Creates a project from a template, in a new folder
    New(new::NewArgs),
    /// Creates a project from a template, in an existing folder
    Init(new::InitArgs),
    /// Adds a route, a page, a pool or a login to an app, and shows the difference first
    Add(add::AddArgs),
    /// Builds and runs the app, and reloads it when you save a file
    #[cfg(unix)]
    Dev(dev::DevArgs),
    /// Shows the app's routes
    Routes(routes::RoutesArgs),
    /// Shows the app's settings, and where each value comes from
    Config(routes::ConfigArgs),
    /// Prints the app's OpenAPI document
    Openapi(routes::OpenapiArgs),
    /// Builds the app with optimization and runs it
    Run(cargo::RunArgs),
    /// Starts a running app anew from its path on disk, without losing a request
    #[cfg(unix)]
    Reload(reload::ReloadArgs),
    /// Builds the app with optimization and shows a summary
    Build(cargo::BuildArgs),
    /// Writes configuration of HAProxy, Kubernetes, compose or systemd that suits the app
    Deploy(Box<deploy::DeployArgs>),
    /// Shows the processes of an app on all hosts, with their pools
    Top(top::TopArgs),
    /// Checks this machine, and shows how to fix each problem
    Check(check::CheckArgs),
    /// Opens the guide and the documentation of the pixie that the app uses
    Docs(docs::DocsArgs),
    /// Writes a shell's completion script to stdout
    Completions(completions::CompletionsArgs),
    /// Writes the manual pages to stdout or into a folder
    Man(completions::ManArgs),
}

impl Cli {
    /// Applies the options that all subcommands have.
    pub(crate) fn prepare(&self) -> Result<(), Error> {
        if self.quiet {
            output::be_quiet();
        }
        let Some(folder) = &self.project else { return Ok(()) };
        env::set_current_dir(folder).map_err(|error| Error::io("change to the folder", folder, &error))
    }
}

impl Command {
    /// Runs the subcommand and returns the exit code of the program.
    pub(crate) fn run(self) -> Result<ExitCode, Error> {
        match self {
            Self::New(args) => interrupt::watch().and_then(|()| new::new(args))?,
            Self::Init(args) => interrupt::watch().and_then(|()| new::init(args))?,
            Self::Add(args) => interrupt::watch().and_then(|()| add::add(args))?,
            #[cfg(unix)]
            Self::Dev(args) => interrupt::watch().and_then(|()| dev::dev(args))?,
            Self::Routes(args) => routes::routes(args)?,
            Self::Config(args) => routes::config(args)?,
            Self::Openapi(args) => routes::openapi(args)?,
            Self::Run(args) => return cargo::run(args),
            #[cfg(unix)]
            Self::Reload(args) => reload::reload(args)?,
            Self::Build(args) => cargo::build(args)?,
            Self::Deploy(args) => return deploy::deploy(*args),
            Self::Top(args) => interrupt::watch().and_then(|()| top::top(args))?,
            Self::Check(args) => return check::check(args),
            Self::Docs(args) => docs::docs(args)?,
            Self::Completions(args) => completions::completions(args, Cli::command())?,
            Self::Man(args) => completions::man(args, Cli::command())?,
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
