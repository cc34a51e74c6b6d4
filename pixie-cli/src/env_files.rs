//! The variables of a project's `.env` and `.env.local`: read anew for each start of the program, which gets those that are
//! not set already.
//!
//! `dotenvy` parses; its substitution is kept out: a `$` is a `$`, so that a password reaches the program as it is written.
//! A line that cannot be read is named with its place, and then none of the variables counts.

use std::{
    cell::Cell,
    env, fs,
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
    process::Command,
};

use crate::error::Error;

/// The files' names, in the folder of the package; of a variable in both the later file's counts. The order is that of other
/// tools: what a team shares, then what one machine has of its own.
pub(crate) const NAMES: [&str; 2] = [".env", ".env.local"];
/// Stands for `$` while a text is parsed: Unicode promises that this is no character of any text.
const DOLLAR: char = '\u{fdd0}';

/// What the files of a folder say.
#[derive(Debug, Default)]
pub(crate) struct EnvFiles(Vec<(PathBuf, Variables)>);

/// What one file says, in its order.
#[derive(Debug, Default, PartialEq, Eq)]
struct Variables(Vec<(String, String)>);

impl EnvFiles {
    /// Reads the files of a folder; one that is not there says nothing.
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

    /// Returns a variable's value and the file that it is from; of several lines with its name the last one counts.
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

    /// Parses a text, or returns the number of the first line that cannot be read.
    fn parse(text: &str) -> Result<Variables, usize> {
        let literal = literal(text.trim_start_matches('\u{feff}'));
        let number = Cell::new(0);
        let mut found = dotenvy::Iter::new(Lines { rest: literal.as_bytes(), number: &number });
        let mut variables = Vec::new();
        loop {
            let before = number.get();
            match found.next() {
                None => return Ok(Variables(variables)),
                Some(Ok((name, value))) => variables.push((name, value.replace(DOLLAR, "$"))),
                Some(Err(_)) => return Err(first_statement(&literal, before)),
            }
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rfind(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Hides every `$` that is not escaped already, and ends the last line.
fn literal(text: &str) -> String {
    let (mut literal, mut is_escaped) = (String::with_capacity(text.len() + 1), false);
    for letter in text.chars() {
        literal.push(if letter == '$' && !is_escaped { DOLLAR } else { letter });
        is_escaped = letter == '\\' && !is_escaped;
    }
    literal.push('\n');
    literal
}

/// Returns the number of the first line after so many that is neither empty nor a comment: an open quote is found missing only
/// at the end of the file, but belongs there.
fn first_statement(text: &str, before: usize) -> usize {
    let is_statement = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    before + 1 + text.lines().skip(before).position(is_statement).unwrap_or(0)
}

/// A text that is read line by line, so that it is known how far a parser has come.
struct Lines<'t> {
    rest: &'t [u8],
    number: &'t Cell<usize>,
}

impl Read for Lines<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end = self.rest.iter().position(|byte| *byte == b'\n').map_or(self.rest.len(), |at| at + 1);
        let count = end.min(buffer.len());
        buffer[..count].copy_from_slice(&self.rest[..count]);
        self.rest = &self.rest[count..];
        if count == end && count > 0 {
            self.number.set(self.number.get() + 1);
        }
        Ok(count)
    }
}

fn unreadable(path: &Path, line: usize) -> Error {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let error =
        Error::new(format_args!("a line of {name} cannot be read")).at(format_args!("{}:{line}", path.display()));
    error.help("write NAME=value, and quotes around what has blanks or quotes in it: NAME='two words'")
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
    fn the_line_that_cannot_be_read_is_told() {
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
