//! Runs cargo-generate, which fills a template into a folder, in its own process.
//!
//! The library prints to stderr, reads the user's configuration and environment, and fails if it cannot find
//! a user name. All of that affects the whole process. So `pixie` starts itself as `pixie __generate` with a
//! clean environment and without a terminal, and reads the error from that process's stdout.

use std::{
    env,
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
};

use cargo_generate::{GenerateArgs, TemplatePath, Vcs};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::source::no_temporary;
use crate::{
    error::Error,
    interrupt::{self, Section},
};

/// The variables in which cargo-generate looks for the author, in addition to git's configuration.
const NAMES: [&str; 6] = ["CARGO_NAME", "GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "USER", "USERNAME", "NAME"];

/// The first argument of the other process. Not a subcommand, so that completions and manual pages do not
/// show it.
const ASKED: &str = "__generate";

/// A template to fill into an existing, empty folder, as the other process gets it.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Filling {
    pub(crate) template: PathBuf,
    pub(crate) destination: PathBuf,
    pub(crate) name: String,
    pub(crate) define: Vec<String>,
    /// Whether the template may ask the person at the terminal. If not, its defaults are the answers.
    pub(crate) is_interactive: bool,
}

pub(crate) fn fill(section: &Section, filling: &Filling) -> Result<(), Error> {
    let program =
        env::current_exe().map_err(|error| Error::new(format_args!("could not find the `pixie` program: {error}")))?;
    let filled = serde_json::to_string(filling);
    let filling_json = filled.map_err(|error| Error::new(format_args!("could not pass on the template: {error}")))?;
    // Without an empty configuration, the user's would apply.
    let config = NamedTempFile::new().map_err(|error| no_temporary(&error))?;

    let mut command = interrupt::quiet(program);
    command.arg(ASKED).arg(filling_json).arg(config.path());
    if filling.is_interactive {
        command.stdin(Stdio::inherit()).stderr(Stdio::inherit());
    } else {
        command.env("NO_COLOR", "1").env_remove("CLICOLOR_FORCE");
    }
    clean_environment(section, &mut command)?;

    let output = section.output(&mut command)?;
    if output.status.success() {
        return Ok(());
    }
    let reason = match output.stdout.trim() {
        "" => output.stderr,
        reason => reason.to_owned(),
    };
    Err(explain(&plain(&reason)))
}

/// Removes the variables that would change cargo-generate's behavior, and sets the author that it requires.
fn clean_environment(section: &Section, command: &mut Command) -> Result<(), Error> {
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CARGO_GENERATE_")) {
        command.env_remove(name);
    }
    if !NAMES[..3].iter().any(|name| env::var(name).is_ok()) {
        let asked = section.output(interrupt::quiet("git").args(["config", "--get", "user.name"]));
        let from_git = match asked {
            Ok(output) if output.status.success() => Some(output.stdout.trim().to_owned()),
            // Without git, the name comes from the variables.
            _ => None,
        };
        section.check()?;
        let known = from_git.or_else(|| NAMES[3..].iter().find_map(|name| env::var(name).ok()));
        command.env("CARGO_NAME", known.unwrap_or_else(|| "anonymous".into()));
    }
    Ok(())
}

/// Returns the error of cargo-generate, reworded and with a fix if the user can fix it.
fn explain(reason: &str) -> Error {
    let quoted = reason.split('`').nth(1).unwrap_or_default();
    if reason.contains("missing default value") {
        let error = Error::new(format_args!("its question `{quoted}` does not have a default answer"));
        return error.help(format_args!("answer it with `--define {quoted}=VALUE`"));
    }
    if reason.contains("was not `true` or `false`") {
        return Error::new("an answer must be `true` or `false`").help("write `--define NAME=true` or `NAME=false`");
    }
    if reason.contains("is not a valid value for") {
        return Error::new(reason).help("see the template's cargo-generate.toml for the valid values");
    }
    if let Some((what, _)) = reason.split_once(" Consider adding these files") {
        let files = what.rsplit_once(" syntax in ").map_or(what, |(_, files)| files);
        let error = Error::new(format_args!("found braces that are not placeholders in {files}"));
        return error
            .help("list the files with placeholders in cargo-generate.toml: [template] include = [\"Cargo.toml\"]");
    }
    Error::new(reason)
}

/// Returns the text as one line, without emoji, escape sequences and the final stop.
fn plain(text: &str) -> String {
    let mut words = Vec::new();
    for word in text.split_whitespace() {
        let word: String = anstream::adapter::strip_str(word).to_string();
        let is_text = word.chars().any(|letter| letter.is_alphanumeric() || letter.is_ascii_punctuation());
        if is_text {
            words.push(word);
        }
    }
    words.join(" ").trim_start_matches("Error: ").trim_start_matches("Sorry, ").trim_end_matches('.').to_owned()
}

/// Fills the template if this is the other process, and returns the exit code; an error is written to stdout.
pub(crate) fn generate_if_asked() -> Option<ExitCode> {
    if env::args_os().nth(1)? != ASKED {
        return None;
    }
    let [filling, config] = [2, 3].map(|at| env::args_os().nth(at).unwrap_or_default());
    let Err(error) = generate(&filling.to_string_lossy(), config.into()) else { return Some(ExitCode::SUCCESS) };
    println!("{error}");
    Some(ExitCode::FAILURE)
}

fn generate(filling: &str, config: PathBuf) -> Result<PathBuf, String> {
    let filling: Filling = serde_json::from_str(filling).map_err(|error| error.to_string())?;
    let path = filling.template.to_string_lossy().into_owned();
    let generated = cargo_generate::generate(GenerateArgs {
        template_path: TemplatePath { path: Some(path), ..TemplatePath::default() },
        destination: Some(filling.destination),
        name: Some(filling.name),
        config: Some(config),
        define: filling.define,
        init: true,
        silent: !filling.is_interactive,
        quiet: !filling.is_interactive,
        vcs: Some(Vcs::None),
        no_workspace: true,
        no_fmt: true,
        lib: false,
        bin: true,
        ..GenerateArgs::default()
    });
    generated.map_err(|error| format!("{error:#}"))
}
