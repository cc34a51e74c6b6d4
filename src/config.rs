//! Reads what files and the environment give to an app: `pixie.toml`, `.env`, `.env.local`, variables.
//!
//! `Sources` finds the texts, and `Reader` checks them against the table of settings and against the settings
//! of pools. Invariant: all mistakes are reported at once, each with its file and line or its variable, and a
//! program with a mistake does not start.
mod reader;
pub(crate) mod report;
#[cfg(test)]
mod reference;

use std::{
    env, fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use crate::{
    config::reader::Reader,
    error::StartError,
    table::{
        given::Given,
        settings::{Settings, variable},
    },
};

/// The variable of the environment that holds the secrets of sealed cookies.
pub(crate) const SECRET: &str = "PIXIE_SECRET";
/// Has the path of `pixie.toml`, or `none` to read no files.
const CONFIG: &str = "PIXIE_CONFIG";
/// What the main process gave to its settings, for its workers.
pub(crate) const SETTINGS: &str = "PIXIE_SETTINGS";
/// The name of the file of settings.
const FILE: &str = "pixie.toml";
/// The files of variables, from the weaker to the stronger.
const ENV_FILES: [&str; 2] = [".env", ".env.local"];

/// Returns what files and the environment give to an app with these pools.
///
/// A worker takes what its main process has read. A test reads only the secret of the environment.
pub(crate) fn read(settings: &Settings, pools: &[&str]) -> Result<Given, StartError> {
    if settings.is_test {
        let secret = variable(SECRET)?.map(|secret| (secret, format!("environment {SECRET}")));
        return Ok(Given { secret, ..Given::default() });
    }
    if pixie_pool::identity().pool.is_some() {
        let passed = variable(SETTINGS)?.map(|text| serde_json::from_str(&text)).transpose();
        let mut given: Given =
            passed.map_err(|error| StartError::new(format!("{SETTINGS}: {error}")))?.unwrap_or_default();
        given.secret = variable(SECRET)?.map(|secret| (secret, String::new()));
        return Ok(given);
    }
    Reader::new(pools).read(&Sources::of_process()?)
}

/// The texts that may hold settings.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// The name and the text of `pixie.toml`.
    toml: Option<(String, String)>,
    /// The names and the texts of the files of variables.
    env_files: Vec<(String, String)>,
    /// The variables of the environment. `None` for a value that is not UTF-8.
    environment: Vec<(String, Option<String>)>,
}

impl Sources {
    fn of_process() -> Result<Sources, StartError> {
        let environment = env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok().filter(|name| name.starts_with("PIXIE_"))?;
            Some((name, value.into_string().ok()))
        });
        let mut sources = Sources { environment: environment.collect(), ..Sources::default() };
        sources.environment.sort();
        let chosen = variable(CONFIG)?;
        if chosen.as_deref() == Some("none") {
            return Ok(sources);
        }
        let path = chosen.as_ref().map_or_else(|| PathBuf::from(FILE), PathBuf::from);
        sources.toml = text(&path)?;
        if sources.toml.is_none() && chosen.is_some() {
            let fix = "correct the path, or write `none` to read no files";
            return Err(StartError::new(format!("{CONFIG}: there is no file {}: {fix}", path.display())));
        }
        for name in ENV_FILES {
            sources.env_files.extend(text(&path.with_file_name(name))?);
        }
        Ok(sources)
    }
}

/// Returns the name and the text of a file, if it exists.
fn text(path: &Path) -> Result<Option<(String, String)>, StartError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some((path.display().to_string(), text))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StartError::new(format!("cannot read {}: {error}", path.display()))),
    }
}
