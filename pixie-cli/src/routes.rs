//! `pixie routes`: the table of routes, told by the program itself, so that it cannot be out of date.
//!
//! The program is built first; `program.rs` asks it.

use std::process::Stdio;

use clap::Args;

use crate::{
    cargo::no_cargo,
    error::Error,
    output,
    program::{Row, Told},
    project::{Project, Which},
};

/// Arguments of `pixie routes`.
#[derive(Debug, Args)]
pub(crate) struct RoutesArgs {
    #[command(flatten)]
    which: Which,
    /// Only the route that answers this request, such as "GET /users/7"
    #[arg(long = "match", value_name = "REQUEST", value_parser = request)]
    request: Option<String>,
    /// Only routes with this text in their path, handler or file
    #[arg(long, value_name = "TEXT")]
    grep: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Takes a method and a path, or a path alone.
fn request(text: &str) -> Result<String, String> {
    let words: Vec<_> = text.split_whitespace().collect();
    let (method, path) = match words[..] {
        [path] => ("GET", path),
        [method, path] => (method, path),
        _ => return Err("write a method and a path, such as \"GET /users/7\"".into()),
    };
    let is_token = |letter: char| letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(letter);
    match (method.chars().all(is_token), path.starts_with('/')) {
        (false, _) => Err(format!("`{method}` is no HTTP method")),
        (_, false) => Err(format!("the path `{path}` does not begin with `/`")),
        (true, true) => Ok(format!("{method} {path}")),
    }
}

/// Prints the table.
pub(crate) fn routes(args: RoutesArgs) -> Result<(), Error> {
    let project = Project::find(args.which)?;
    if !project.is_app {
        let error = Error::new(format_args!("`{}` is no pixie app: it does not depend on pixie-web", project.package));
        return Err(error.at(project.root.join("Cargo.toml").display()));
    }
    let program = build(&project)?;
    let question = args.request.as_ref().map_or_else(|| "routes".to_owned(), |request| format!("match {request}"));
    let mut told = Told::by(&program, &project.root, &question)?;
    if let Some(text) = &args.grep {
        told.routes.retain(|row| [&row.path, &row.handler, &row.file].iter().any(|cell| cell.contains(text.as_str())));
    }
    match args.json {
        true => anstream::println!("{}", serde_json::json!(told)),
        false if told.routes.is_empty() => {}
        false => anstream::print!("{}", table(&told.routes)),
    }
    match (told.routes.is_empty(), &args.request, &args.grep) {
        (false, ..) => {}
        (true, Some(request), _) => return Err(unanswered(request, &told)),
        (true, None, Some(text)) => output::warning(format_args!("no route has `{text}` in it")),
        (true, None, None) => output::warning("the app has no routes"),
    }
    Ok(())
}

fn unanswered(request: &str, told: &Told) -> Error {
    let error =
        Error::new(format_args!("no route answers `{request}`: the client gets {}", told.status.unwrap_or(404)));
    match &told.allow {
        Some(allow) => error.help(format_args!("this address answers {allow}")),
        None => error,
    }
}

/// Builds the program and returns its path.
fn build(project: &Project) -> Result<std::path::PathBuf, Error> {
    let output = project.build().arg("--quiet").stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| no_cargo(&error))?;
    let messages = String::from_utf8_lossy(&output.stdout);
    let mut program = None;
    for message in messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()) {
        if let Some(text) = message["message"]["rendered"].as_str() {
            anstream::eprint!("{text}");
        }
        program = message["executable"].as_str().map(Into::into).or(program);
    }
    let cargo = || Error::cargo(format_args!("`{}` does not build", project.program));
    program.filter(|_| output.status.success()).ok_or_else(cargo)
}

fn table(rows: &[Row]) -> String {
    let mut cells = vec![["METHOD", "PATH", "KIND", "POOL", "HANDLER", "PLACE"].map(str::to_owned)];
    cells.extend(rows.iter().map(|row| {
        let pool = row.pool.as_deref().unwrap_or("-").to_owned();
        // A closure or a folder has no name but its path.
        let handler = if row.handler == row.path { "-" } else { &row.handler };
        let place = format!("{}:{}", row.file, row.line);
        [row.methods.join(","), row.path.clone(), row.kind.clone(), pool, handler.to_owned(), place]
    }));
    let widths: [usize; 6] =
        std::array::from_fn(|at| cells.iter().map(|row| row[at].chars().count()).max().unwrap_or(0));
    let mut text = String::new();
    for (number, row) in cells.iter().enumerate() {
        let padded: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        let line = padded.join("  ");
        text += &match number {
            0 => format!("{0}{1}{0:#}\n", output::HEAD, line.trim_end()),
            _ => format!("{}\n", line.trim_end()),
        };
    }
    text
}
