//! The questions of `pixie new`: asked only on a terminal, and each can be answered by a flag.

use std::{
    env,
    io::{self, IsTerminal},
    path::Path,
};

use clap::ValueEnum;
use dialoguer::{
    Confirm, Input, Select,
    console::{Term, truncate_str},
    theme::ColorfulTheme,
};
use toml_edit::{DocumentMut, Item};

use super::{name::Name, source::Builtin};
use crate::error::Error;

/// Columns that a choice cannot use: two before it, and the last one, after which the terminal begins a new
/// line.
const MARK_COLUMNS: usize = 3;

pub(crate) fn may_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal() && env::var_os("CI").is_none()
}

pub(crate) fn name() -> Result<String, Error> {
    let check = |name: &String| Name::complaint(name).map_or(Ok(()), Err);
    answered(Input::<String>::with_theme(&theme()).with_prompt("Name").validate_with(check).interact_text())
}

pub(crate) fn template() -> Result<Builtin, Error> {
    let choices = Builtin::value_variants();
    // A line that is too long would be drawn again and again.
    let width = usize::from(Term::stderr().size().1).saturating_sub(MARK_COLUMNS);
    let lines: Vec<_> = choices.iter().map(|choice| truncate_str(&choice.line(), width, "…").into_owned()).collect();
    let chosen = Select::with_theme(&theme()).with_prompt("Template").items(&lines).default(0).interact();
    Ok(choices[answered(chosen)?])
}

/// Asks the questions of a scaffold that `--define` has not answered, and returns the answers as `key=value`.
pub(crate) fn placeholders(template: &Path, given: &[String]) -> Result<Vec<String>, Error> {
    let mut answers = Vec::new();
    for (key, placeholder) in &asked(template)? {
        let is_given = given.iter().any(|pair| pair.split_once('=').is_some_and(|(name, _)| name == key));
        let prompt = placeholder.get("prompt").and_then(|prompt| prompt.as_str()).unwrap_or(key);
        // All questions of these scaffolds have the answers yes and no.
        let default = placeholder.get("default").and_then(|default| default.as_bool());
        let Some(default) = default.filter(|_| !is_given) else { continue };
        let answer = Confirm::with_theme(&theme()).with_prompt(prompt).default(default).interact();
        answers.push(format!("{key}={}", answered(answer)?));
    }
    Ok(answers)
}

/// Answers the questions of a scaffold that `--define` has not answered with no, and returns the answers.
pub(crate) fn refused(template: &Path, given: &[String]) -> Result<Vec<String>, Error> {
    let asked = asked(template)?;
    let is_given = |key: &str| given.iter().any(|pair| pair.split_once('=').is_some_and(|(name, _)| name == key));
    Ok(asked.iter().filter(|(key, _)| !is_given(key)).map(|(key, _)| format!("{key}=false")).collect())
}

/// Refuses an answer to a question that the scaffold does not have, such as one with a typing error.
pub(crate) fn check(template: &Path, given: &[String]) -> Result<(), Error> {
    let asked = asked(template)?;
    let is_asked =
        |pair: &&String| pair.split_once('=').is_some_and(|(key, _)| asked.iter().any(|(name, _)| name == key));
    let Some(unasked) = given.iter().find(|pair| !is_asked(pair)) else { return Ok(()) };
    let names: Vec<_> = asked.iter().map(|(name, _)| format!("`{name}`")).collect();
    let error = Error::usage(format_args!("`--define {unasked}` does not match a question of this template"));
    Err(match names.is_empty() {
        true => error.help("remove it: this template does not have questions"),
        false => error.help(format_args!("its questions are {}", names.join(" and "))),
    })
}

/// Returns the questions of a scaffold, in its order.
fn asked(template: &Path) -> Result<Vec<(String, Item)>, Error> {
    let path = template.join("cargo-generate.toml");
    let config = std::fs::read_to_string(&path).map_err(|error| Error::io("read the template", &path, &error))?;
    let config: DocumentMut = config.parse().unwrap_or_default();
    let placeholders = config.get("placeholders").and_then(|item| item.as_table_like());
    let entries = placeholders.into_iter().flat_map(|table| table.iter());
    Ok(entries.map(|(key, item)| (key.to_owned(), item.clone())).collect())
}

/// Asks whether to go on.
pub(crate) fn confirm(prompt: &str) -> Result<bool, Error> {
    answered(Confirm::with_theme(&theme()).with_prompt(prompt).default(true).interact())
}

fn theme() -> ColorfulTheme {
    ColorfulTheme::default()
}

fn answered<T>(answer: dialoguer::Result<T>) -> Result<T, Error> {
    answer.map_err(|dialoguer::Error::IO(error)| match error.kind() {
        io::ErrorKind::Interrupted => Error::interrupted(),
        _ => Error::new(format_args!("could not ask: {error}")).help("add `--yes` to use the default answers"),
    })
}
