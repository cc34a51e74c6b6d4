//! `pixie completions` and `pixie man`: made from the definition of the command line.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::{error::Error, output};

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Write one page for each subcommand into this folder
    dir: Option<PathBuf>,
}

pub(crate) fn completions(args: CompletionsArgs, mut command: Command) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "pixie", &mut script);
    output::write(&script)
}

/// Writes the manual page to stdout, or all pages into a folder.
pub(crate) fn man(args: ManArgs, command: Command) -> Result<(), Error> {
    match args.dir {
        None => {
            let mut page = Vec::new();
            // Writing to memory does not fail.
            let _ = clap_mangen::Man::new(command).render(&mut page);
            output::write(&page)
        }
        Some(dir) => {
            std::fs::create_dir_all(&dir).map_err(|error| Error::io("create the folder", &dir, &error))?;
            clap_mangen::generate_to(command, &dir).map_err(|error| Error::io("write the pages", &dir, &error))
        }
    }
}
