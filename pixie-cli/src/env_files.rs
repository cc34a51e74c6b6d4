//! The variables of a project's `.env` and `.env.local`, read at each start of the program.
//!
//! The program gets the variables that are not set already. pixie-grammar parses the files, as in the
//! program. An invalid line is an error with its place; then all variables of the files are ignored.

use std::{
    env, fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Command,
};

use pixie_grammar::parse_env_file;

use crate::error::Error;

/// The names of the files, in the folder of the package. The later file overrides the earlier one: as in
/// other tools, `.env` is for the team and `.env.local` for one machine.
pub(crate) const NAMES: [&str; 2] = [".env", ".env.local"];
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

fn unreadable(path: &Path, line: usize) -> Error {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let error = Error::new(format_args!("invalid line in {name}")).at(format_args!("{}:{line}", path.display()));
    error.help("write NAME=value; put a value with spaces or quotes in quotes: NAME='two words'")
}

#[cfg(test)]
mod tests {
    use super::Variables;

    #[test]
    fn the_last_line_of_a_name_counts() {
        let file = Variables::parse("A=1\nB=2\nA=3").expect("it can be read");
        assert_eq!((file.get("A"), file.get("B"), file.get("C")), (Some("3"), Some("2"), None));
    }
}
