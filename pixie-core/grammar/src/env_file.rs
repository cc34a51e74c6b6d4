//! `.env` files: lines such as `NAME=value`.
//!
//! `dotenvy` parses them, but its substitution is turned off, so that a `$` in a password stays a `$`.
//! Invariant: `pixie dev` and the program read the same variables from a file.

/// Replaces `$` while a text is parsed. Unicode guarantees that this code point is never a character of a
/// text.
const DOLLAR: char = '\u{fdd0}';

/// A variable of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvVariable {
    /// Its name.
    pub name: String,
    /// Its value, without quotes.
    pub value: String,
    /// The number of its line, from 1 on. If several lines set the variable, the last of them.
    pub line: usize,
}

/// Parses the text of a file, in its order.
///
/// # Errors
///
/// Returns the number of the first invalid line.
pub fn parse_env_file(text: &str) -> Result<Vec<EnvVariable>, usize> {
    let text = text.trim_start_matches('\u{feff}');
    let literal = literal(text);
    let found = dotenvy::from_read_iter(literal.as_bytes()).map(|line| match line {
        Ok((name, value)) => Ok(EnvVariable { line: line_of(text, &name), value: value.replace(DOLLAR, "$"), name }),
        Err(error) => Err(line_number(&literal, &error)),
    });
    found.collect()
}

/// Returns the number of the last line that sets a variable.
fn line_of(text: &str, name: &str) -> usize {
    let sets = |line: &str| {
        let line = line.trim_start();
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    text.lines().enumerate().filter(|(_, line)| sets(line)).last().map_or(1, |(at, _)| at + 1)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let found = parse_env_file(text).expect(text);
        let found: Vec<_> = found.iter().map(|found| (found.name.as_str(), found.value.as_str())).collect();
        assert_eq!(found, expected, "{text}");
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
    fn a_variable_knows_its_last_line() {
        let found = parse_env_file("# AB=1\nA=1\n\nexport AB = 2\nA=3").expect("it can be read");
        assert_eq!(found.iter().map(|found| found.line).collect::<Vec<_>>(), [5, 4, 5]);
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
            assert_eq!(parse_env_file(text), Err(line), "{text}");
        }
    }
}
