//! `pixie completions` and `pixie man`: what other programs want to know of the command line, made from its definition.

use std::{io, path::PathBuf};

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::{cli::Cli, error::Error};

/// Arguments of `pixie completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Arguments of `pixie man`.
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Write one page for each subcommand into this folder
    dir: Option<PathBuf>,
}

/// Writes a completion script to stdout.
pub(crate) fn completions(args: CompletionsArgs) -> Result<(), Error> {
    clap_complete::generate(args.shell, &mut Cli::command(), "pixie", &mut io::stdout());
    Ok(())
}

/// Writes the manual page to stdout, or all pages into a folder.
pub(crate) fn man(args: ManArgs) -> Result<(), Error> {
    let command = Cli::command();
    match args.dir {
        None => clap_mangen::Man::new(command)
            .render(&mut io::stdout())
            .map_err(|error| Error::new(format_args!("could not write the page: {error}"))),
        Some(dir) => {
            std::fs::create_dir_all(&dir).map_err(|error| Error::io("create the folder", &dir, &error))?;
            clap_mangen::generate_to(command, &dir).map_err(|error| Error::io("write the pages", &dir, &error))
        }
    }
}
