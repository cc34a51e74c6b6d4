//! cargo-generate behind a wall: a process of its own, started from this program, that fills a template into a folder.
//!
//! As a library it prints to stderr, reads the user's configuration and environment, and fails where no user name is known;
//! all of that is process-wide. So `pixie` starts itself as `pixie __generate` with a cleaned environment and no terminal,
//! and reads what went wrong from that process's stdout.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use cargo_generate::{GenerateArgs, TemplatePath, Vcs};
use clap::Parser;
use tempfile::TempDir;

use super::source::no_temporary;
use crate::{
    error::Error,
    interrupt::{self, Section},
};

/// The variables in which cargo-generate looks for the author, besides git's configuration.
const NAMES: [&str; 6] = ["CARGO_NAME", "GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "USER", "USERNAME", "NAME"];

/// The first argument of the other process. It is no subcommand: completions and manual pages would show it.
const ASKED: &str = "__generate";

/// Arguments of the other process.
#[derive(Debug, Parser)]
struct GenerateCommand {
    #[arg(long)]
    template: PathBuf,
    #[arg(long)]
    destination: PathBuf,
    #[arg(long)]
    config: PathBuf,
    #[arg(long)]
    name: String,
    #[arg(long, allow_hyphen_values = true)]
    define: Vec<String>,
    #[arg(long)]
    interactive: bool,
}

/// Who answers the questions of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answers {
    /// The person at the terminal.
    Asked,
    /// `--define` and the template's defaults.
    Given,
}

/// Fills a template into an existing, empty folder.
pub(crate) fn fill(
    section: &Section,
    template: &Path,
    destination: &Path,
    name: &str,
    define: &[String],
    answers: Answers,
) -> Result<(), Error> {
    let program = env::current_exe().map_err(|error| Error::new(format_args!("could not find myself: {error}")))?;
    let folder = TempDir::new().map_err(|error| no_temporary(&error))?;
    let config = folder.path().join("cargo-generate.toml");
    fs::write(&config, "").map_err(|error| Error::io("write a file", &config, &error))?;

    let mut command = interrupt::quiet(program);
    command.arg(ASKED).arg("--template").arg(template).arg("--destination").arg(destination);
    command.arg("--config").arg(&config).arg("--name").arg(name);
    command.args(define.iter().flat_map(|pair| ["--define", pair]));
    if answers == Answers::Asked {
        command.arg("--interactive").stdin(Stdio::inherit()).stderr(Stdio::inherit());
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

/// Takes away what would steer cargo-generate unasked, and adds the author it insists on.
fn clean_environment(section: &Section, command: &mut Command) -> Result<(), Error> {
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CARGO_GENERATE_")) {
        command.env_remove(name);
    }
    if !NAMES[..3].iter().any(|name| env::var(name).is_ok()) {
        let asked = section.output(interrupt::quiet("git").args(["config", "--get", "user.name"]));
        let from_git = match asked {
            Ok(output) if output.status.success() => Some(output.stdout.trim().to_owned()),
            // Without git there is no configured name.
            _ => None,
        };
        section.check()?;
        let known = from_git.or_else(|| NAMES[3..].iter().find_map(|name| env::var(name).ok()));
        command.env("CARGO_NAME", known.unwrap_or_else(|| "anonymous".into()));
    }
    Ok(())
}

/// The failure in our words, with the remedy, for the ones that a person can do something about.
fn explain(reason: &str) -> Error {
    let quoted = reason.split('`').nth(1).unwrap_or_default();
    if reason.contains("missing default value") {
        let error = Error::new(format_args!("its question `{quoted}` has no default"));
        return error.help(format_args!("answer it with `--define {quoted}=VALUE`"));
    }
    if reason.contains("was not `true` or `false`") {
        return Error::new("an answer is neither `true` nor `false`")
            .help("write `--define NAME=true` or `NAME=false`");
    }
    if reason.contains("is not a valid value for") {
        return Error::new(reason).help("see the template's cargo-generate.toml for the values that it takes");
    }
    if let Some((what, _)) = reason.split_once(" Consider adding these files") {
        let files = what.rsplit_once(" syntax in ").map_or(what, |(_, files)| files);
        let error = Error::new(format_args!("there are braces that are no placeholders in {files}"));
        return error
            .help("list the files with placeholders in cargo-generate.toml: [template] include = [\"Cargo.toml\"]");
    }
    Error::new(reason)
}

/// One line of plain text: without emoji and escape sequences, and without the final stop.
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

/// If this is the other process: fills the template, writes to stdout why it could not, and returns the exit code.
pub(crate) fn generate_if_asked() -> Option<ExitCode> {
    let mut arguments = env::args_os().skip(1).peekable();
    if arguments.peek().is_none_or(|first| first != ASKED) {
        return None;
    }
    let Err(error) = generate(GenerateCommand::parse_from(arguments)) else { return Some(ExitCode::SUCCESS) };
    println!("{error}");
    Some(ExitCode::FAILURE)
}

fn generate(args: GenerateCommand) -> Result<PathBuf, String> {
    let path = args.template.to_string_lossy().into_owned();
    let generated = cargo_generate::generate(GenerateArgs {
        template_path: TemplatePath { path: Some(path), ..TemplatePath::default() },
        destination: Some(args.destination),
        name: Some(args.name),
        config: Some(args.config),
        define: args.define,
        init: true,
        silent: !args.interactive,
        quiet: !args.interactive,
        vcs: Some(Vcs::None),
        no_workspace: true,
        no_fmt: true,
        lib: false,
        bin: true,
        ..GenerateArgs::default()
    });
    generated.map_err(|error| format!("{error:#}"))
}
