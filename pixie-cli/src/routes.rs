//! `pixie routes`, `pixie config` and `pixie openapi`: the table of routes, the settings and the OpenAPI document,
//! from the program itself, so that they are never out of date.
//!
//! Builds the program; `program.rs` then asks it.

use std::path::PathBuf;

use clap::Args;

use crate::{
    cargo::compile,
    error::Error,
    output,
    program::{Document, Row, Settings, Told},
    project::{Project, Which},
};

#[derive(Debug, Args)]
pub(crate) struct RoutesArgs {
    #[command(flatten)]
    which: Which,
    /// Build with optimization
    #[arg(long)]
    release: bool,
    /// Show only the route that answers this request, such as "GET /users/7"
    #[arg(long = "match", value_name = "REQUEST", value_parser = request)]
    request: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Parses a method and a path, or only a path.
fn request(text: &str) -> Result<String, String> {
    let words: Vec<_> = text.split_whitespace().collect();
    let (method, path) = match words[..] {
        [path] => ("GET", path),
        [method, path] => (method, path),
        _ => return Err("write a method and a path, such as \"GET /users/7\"".into()),
    };
    let is_token = |letter: char| letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(letter);
    match (method.chars().all(is_token), path.starts_with('/')) {
        (false, _) => Err(format!("`{method}` is not an HTTP method")),
        (_, false) => Err(format!("the path `{path}` must begin with `/`")),
        (true, true) => Ok(format!("{method} {path}")),
    }
}

pub(crate) fn routes(args: RoutesArgs) -> Result<(), Error> {
    let (project, program) = built(args.which, args.release)?;
    let question = args.request.as_ref().map_or_else(|| "routes".to_owned(), |request| format!("match {request}"));
    let told = Told::by(&program, &project.root, &question)?;
    match args.json {
        true => output::print(&format!("{}\n", serde_json::json!(told)))?,
        false if told.routes.is_empty() => {}
        false => output::print(&table(&told.routes))?,
    }
    match &args.request {
        _ if !told.routes.is_empty() => {}
        Some(request) => return Err(unanswered(request, &told)),
        None => output::warning("the app does not have routes"),
    }
    Ok(())
}

#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(flatten)]
    which: Which,
    /// Build with optimization
    #[arg(long)]
    release: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn config(args: ConfigArgs) -> Result<(), Error> {
    let (project, program) = built(args.which, args.release)?;
    let told = Settings::by(&program, &project.root)?;
    if args.json {
        return output::print(&format!("{}\n", serde_json::json!(told)));
    }
    let lines = told.text.lines().map(|line| match line.starts_with('[') {
        true => format!("{0}{line}{0:#}\n", output::HEAD),
        false => format!("{line}\n"),
    });
    output::print(&lines.collect::<String>())
}

#[derive(Debug, Args)]
pub(crate) struct OpenapiArgs {
    #[command(flatten)]
    which: Which,
    /// Build with optimization
    #[arg(long)]
    release: bool,
}

pub(crate) fn openapi(args: OpenapiArgs) -> Result<(), Error> {
    let (project, program) = built(args.which, args.release)?;
    output::print(&Document::by(&program, &project.root)?.text)
}

/// Builds an app, and returns its project and its program.
pub(crate) fn built(which: Which, is_release: bool) -> Result<(Project, PathBuf), Error> {
    let mut project = Project::find(which)?;
    project.is_release = is_release;
    if !project.is_app {
        return Err(project.no_app());
    }
    let mut build = project.build();
    build.arg("--quiet");
    let missing = || Error::cargo(format_args!("the build of `{}` did not produce a program", project.program));
    let program = compile(build)?.pop().ok_or_else(missing)?.executable;
    Ok((project, program))
}

fn unanswered(request: &str, told: &Told) -> Error {
    let error =
        Error::new(format_args!("`{request}` does not match a route: the client gets {}", told.status.unwrap_or(404)));
    match &told.allow {
        Some(allow) => error.help(format_args!("this path allows {allow}")),
        None => error,
    }
}

fn table(rows: &[Row]) -> String {
    let mut cells = vec![["METHOD", "PATH", "KIND", "POOL", "HANDLER", "PLACE"].map(str::to_owned)];
    cells.extend(rows.iter().map(|row| {
        let pool = row.pool.as_deref().unwrap_or("-").to_owned();
        // A closure or a folder has its path as its name.
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
