//! The variables of a project's `.env` and `.env.local`, read at each start of the program.
//!
//! The program gets the variables that are not set already. `dotenvy` parses the files, but its substitution
//! is turned off, so that a `$` in a password stays a `$`. An invalid line is an error with its place; then
//! all variables of the files are ignored.

use std::{
    env, fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Command,
};

use crate::error::Error;

/// The names of the files, in the folder of the package. The later file overrides the earlier one: as in
/// other tools, `.env` is for the team and `.env.local` for one machine.
pub(crate) const NAMES: [&str; 2] = [".env", ".env.local"];
/// Replaces `$` while a text is parsed. Unicode guarantees that this code point is never a character of a
/// text.
const DOLLAR: char = '\u{fdd0}';

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
        let literal = literal(text.trim_start_matches('\u{feff}'));
        let found = dotenvy::from_read_iter(literal.as_bytes()).map(|line| match line {
            Ok((name, value)) => Ok((name, value.replace(DOLLAR, "$"))),
            Err(error) => Err(line_number(&literal, &error)),
        });
        found.collect::<Result<_, _>>().map(Variables)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rfind(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Replaces every `$` that is not escaped, and adds a newline at the end.
fn literal(text: &str) -> String {
    let (mut literal, mut is_escaped) = (String::with_capacity(text.len() + 1), false);
    for letter in text.chars() {
        literal.push(if letter == '$' && !is_escaped { DOLLAR } else { letter });
        is_escaped = letter == '\\' && !is_escaped;
    }
    literal.push('\n');
    literal
}

/// Returns the number of the line that the parser refuses. The parser reports the line, or the end of it.
fn line_number(text: &str, error: &dotenvy::Error) -> usize {
    let dotenvy::Error::LineParse(refused, _) = error else { return 1 };
    let first = refused.lines().next().unwrap_or_default();
    let is_refused = |line: &str| line.ends_with(first) && !line.trim_start().starts_with('#');
    1 + text.lines().position(is_refused).unwrap_or(0)
}

fn unreadable(path: &Path, line: usize) -> Error {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let error = Error::new(format_args!("invalid line in {name}")).at(format_args!("{}:{line}", path.display()));
    error.help("write NAME=value; put a value with spaces or quotes in quotes: NAME='two words'")
}

#[cfg(test)]
mod tests {
    use super::Variables;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let expected = expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(Variables::parse(text), Ok(Variables(expected)), "{text}");
    }

    #[test]
    fn lines_are_variables() {
        check("", &[]);
        check("\u{feff}A=1\r\n\n# B=2\nexport C = 3 # three\nD=", &[("A", "1"), ("C", "3"), ("D", "")]);
        check(
            "POOL=\"size=4 deadline=5s\"\nKEY='a \"b\"'\nLINES=\"one\\ntwo\"",
            &[("POOL", "size=4 deadline=5s"), ("KEY", "a \"b\""), ("LINES", "one\ntwo")],
        );
        check("A=a ", &[("A", "a")]);
    }

    #[test]
    fn a_dollar_is_a_dollar() {
        let all = "A=pa$$word\nB=\"${HOME}/$A\"\nC='$A'\nD=\\$A\nE='\\$A'";
        check(all, &[("A", "pa$$word"), ("B", "${HOME}/$A"), ("C", "$A"), ("D", "$A"), ("E", "\\$A")]);
    }

    #[test]
    fn the_last_line_of_a_name_counts() {
        let file = Variables::parse("A=1\nB=2\nA=3").expect("it can be read");
        assert_eq!((file.get("A"), file.get("B"), file.get("C")), (Some("3"), Some("2"), None));
    }

    #[test]
    fn the_error_is_the_number_of_the_invalid_line() {
        for (text, line) in [
            ("nothing", 1),
            ("A=1\n\n# it's a comment\n2=B\nC=3", 4),
            ("A=1\nB=two words\n", 2),
            ("A=1\n\nB=it's open\nC=3\nD=4", 3),
            ("A=\"one\ntwo\"\n# three\n=four", 4),
        ] {
            assert_eq!(Variables::parse(text), Err(line), "{text}");
        }
    }
}
