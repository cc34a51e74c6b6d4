//! The scaffolds inside the binary: their names, purposes and files.
//!
//! Each scaffold is a folder in `templates`; the build script includes its files.

use std::{fmt, fs, path::Path};

use clap::ValueEnum;

use crate::error::Error;

/// All files below `templates`, with `/` between the parts of a path.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// A scaffold inside the binary; the first one is the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Builtin {
    /// One file with a route of each kind, and its test
    Minimal,
    /// Pages, forms, sessions, a database, a Dockerfile
    App,
}

impl Builtin {
    /// Writes the scaffold's files into a folder.
    pub(crate) fn extract(self, folder: &Path) -> Result<(), Error> {
        let prefix = format!("{self}/");
        for (path, bytes) in FILES {
            let Some(path) = path.strip_prefix(&prefix) else { continue };
            let target = folder.join(path);
            let parent = target.parent().unwrap_or(folder);
            fs::create_dir_all(parent).map_err(|error| Error::io("create a folder", parent, &error))?;
            fs::write(&target, bytes).map_err(|error| Error::io("write the template", &target, &error))?;
        }
        Ok(())
    }

    /// Returns a line for a list of choices: `minimal  One file …`.
    pub(crate) fn line(self) -> String {
        let value = self.to_possible_value();
        let help = value.as_ref().and_then(|value| value.get_help()).map(ToString::to_string);
        format!("{:8} {}", self.to_string(), help.unwrap_or_default())
    }
}

impl fmt::Display for Builtin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Minimal => "minimal",
            Self::App => "app",
        })
    }
}
