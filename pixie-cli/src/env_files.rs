//! The variables of a project's `.env` and `.env.local`, read at each start of the program.
//!
//! The program gets the variables that are not set already. pixie-grammar parses the files, as in the
//! program. An invalid line is an error with its place; then all variables of the files are ignored.

use std::{
    env, fs,
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
};

use pixie_grammar::parse_env_file;
use tempfile::NamedTempFile;

use crate::{error::Error, output};

/// The names of the files, in the folder of the package. The later file overrides the earlier one: as in
/// other tools, `.env` is for the team and `.env.local` for one machine.
pub(crate) const NAMES: [&str; 2] = [".env", ".env.local"];

/// The file that names the variables of a project without their secret values; git has it.
const EXAMPLE: &str = ".env.example";
/// The secret that encrypts cookies.
const SECRET: &str = "PIXIE_SECRET";

/// The variables of each file of a folder.
#[derive(Debug, Default)]
pub(crate) struct EnvFiles(Vec<(PathBuf, Variables)>);

/// The variables of one file, in its order.
#[derive(Debug, Default, PartialEq, Eq)]
struct Variables(Vec<(String, String)>);

impl EnvFiles {
    /// Reads the files of a folder. A missing file has zero variables.
    pub(crate) fn read(folder: &Path) -> Result<EnvFiles, Error> {
        let paths = NAMES.map(|name| folder.join(name));
        paths
            .into_iter()
            .map(|path| Variables::read(&path).map(|found| (path, found)))
            .collect::<Result<_, _>>()
            .map(EnvFiles)
    }

    /// Writes a new secret into the folder's `.env` if the program needs one and none is set: if `.env.example`
    /// names the variable. So the program starts after a `git clone`, which does not bring `.env`.
    pub(crate) fn complete(folder: &Path) -> Result<(), Error> {
        // The start of the program reports an invalid line.
        let Ok(files) = EnvFiles::read(folder) else { return Ok(()) };
        let Some(example) = files.lacks_secret(folder) else { return Ok(()) };
        let path = folder.join(NAMES[0]);
        let before = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => example,
            Err(error) => return Err(Error::io("read the program's variables", &path, &error)),
        };
        let text = with_secret(&before, &new_secret()?);
        write_privately(&path, &text).map_err(|error| Error::io("write the program's variables", &path, &error))?;
        output::status("Created", format_args!("a {SECRET} for development in {}", NAMES[0]));
        Ok(())
    }

    /// Gives a program that only reports something the secret that it may lack.
    pub(crate) fn give_for_report(&self, command: &mut Command, folder: &Path) -> Result<(), Error> {
        self.give(command);
        if self.lacks_secret(folder).is_some() {
            command.env(SECRET, new_secret()?);
        }
        Ok(())
    }

    /// Returns the text of `.env.example` if that file names the secret and no value is set.
    fn lacks_secret(&self, folder: &Path) -> Option<String> {
        let is_set = env::var_os(SECRET).is_some() || self.get(SECRET).is_some_and(|(value, _)| !value.is_empty());
        let example = fs::read_to_string(folder.join(EXAMPLE)).ok().filter(|_| !is_set)?;
        Variables::parse(&example).ok()?.get(SECRET).is_some().then_some(example)
    }

    /// Gives a program the variables that are not set already.
    pub(crate) fn give(&self, command: &mut Command) {
        let all = self.0.iter().flat_map(|(_, Variables(variables))| variables);
        let unset = all.filter(|(name, _)| env::var_os(name).is_none());
        command.envs(unset.map(|(name, value)| (name, value)));
    }

    /// Returns a variable's value and its file. If several lines set the variable, the last one counts.
    pub(crate) fn get(&self, name: &str) -> Option<(&str, &Path)> {
        self.0.iter().rev().find_map(|(path, variables)| Some((variables.get(name)?, path.as_path())))
    }
}

impl Variables {
    fn read(path: &Path) -> Result<Variables, Error> {
        match fs::read_to_string(path) {
            Ok(text) => Variables::parse(&text).map_err(|line| unreadable(path, line)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Variables::default()),
            Err(error) => Err(Error::io("read the program's variables", path, &error)),
        }
    }

    /// Parses a text. The error is the number of the first invalid line.
    fn parse(text: &str) -> Result<Variables, usize> {
        let variables = parse_env_file(text)?;
        Ok(Variables(variables.into_iter().map(|variable| (variable.name, variable.value)).collect()))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rfind(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Returns the text with the secret: in the line that names the variable, or in a new last line.
fn with_secret(text: &str, secret: &str) -> String {
    let line = format!("{SECRET}={secret}");
    let names = |candidate: &&str| candidate.split_once('=').is_some_and(|(name, _)| name.trim() == SECRET);
    if text.lines().any(|candidate| names(&candidate)) {
        return text.lines().map(|old| if names(&old) { &line } else { old }).flat_map(|line| [line, "\n"]).collect();
    }
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{end}{line}\n")
}

/// Writes a file that other users of the machine cannot read, completely or not at all.
fn write_privately(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}

/// Returns 256 random bits in hexadecimal: a secret for the development of a project.
pub(crate) fn new_secret() -> Result<String, Error> {
    let mut bytes = [0; 32];
    let failed = |error| Error::new(format_args!("could not get random numbers from the system: {error}"));
    getrandom::fill(&mut bytes).map_err(failed)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn unreadable(path: &Path, line: usize) -> Error {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let error = Error::new(format_args!("invalid line in {name}")).at(format_args!("{}:{line}", path.display()));
    error.help("write NAME=value; put a value with spaces or quotes in quotes: NAME='two words'")
}

#[cfg(test)]
mod tests {
    use super::{Variables, with_secret};

    #[test]
    fn a_secret_replaces_the_line_that_names_it_or_is_added() {
        for (text, expected) in [
            ("", "PIXIE_SECRET=s\n"),
            ("A=1", "A=1\nPIXIE_SECRET=s\n"),
            ("# why\nPIXIE_SECRET=\nB=2\n", "# why\nPIXIE_SECRET=s\nB=2\n"),
            ("# PIXIE_SECRET=x\n", "# PIXIE_SECRET=x\nPIXIE_SECRET=s\n"),
        ] {
            assert_eq!(with_secret(text, "s"), expected);
        }
    }

    #[test]
    fn the_last_line_of_a_name_counts() {
        let file = Variables::parse("A=1\nB=2\nA=3").expect("it can be read");
        assert_eq!((file.get("A"), file.get("B"), file.get("C")), (Some("3"), Some("2"), None));
    }
}
