//! The command line as clap sees it: one variant and one line of `run` for each subcommand.
//!
//! The arguments of a subcommand are declared beside its code, in its own module.

use clap::{Parser, Subcommand};

#[cfg(unix)]
use crate::dev;
use crate::{completions, error::Error, routes};

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
    #[command(flatten)]
    pub(crate) color: colorchoice_clap::Color,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Builds and runs the app, and reloads it as you save
    #[cfg(unix)]
    Dev(dev::DevArgs),
    /// Shows the app's routes
    Routes(routes::RoutesArgs),
    /// Writes the completion script of a shell to stdout
    Completions(completions::CompletionsArgs),
    /// Writes the manual pages, to stdout or into a folder
    Man(completions::ManArgs),
}

impl Command {
    /// Runs the subcommand.
    pub(crate) fn run(self) -> Result<(), Error> {
        match self {
            #[cfg(unix)]
            Self::Dev(args) => dev::dev(args),
            Self::Routes(args) => routes::routes(args),
            Self::Completions(args) => completions::completions(args),
            Self::Man(args) => completions::man(args),
        }
    }
}
