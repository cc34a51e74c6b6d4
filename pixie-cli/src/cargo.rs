//! `pixie run` and `pixie build`: call cargo with the release profile; `build` shows size, time, routes and
//! pools.
//!
//! cargo's own output is not changed, and `run` returns its exit code.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    env,
    ffi::OsString,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    env_files::EnvFiles,
    error::Error,
    output,
    program::Told,
    project::{Project, Which, cargo, no_cargo},
};

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    which: Which,
    /// Build without optimization, with debug assertions
    #[arg(long)]
    debug: bool,
    /// Listen on this port (sets PIXIE_PORT)
    #[arg(long)]
    port: Option<u16>,
    /// Arguments for the app
    #[arg(last = true)]
    arguments: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    #[command(flatten)]
    which: Which,
    /// Build without optimization, with debug assertions
    #[arg(long)]
    debug: bool,
    /// Write the summary to stdout as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: RunArgs) -> Result<ExitCode, Error> {
    let mut command = args.which.command("run", !args.debug);
    // If the project is invalid, cargo reports that.
    if let Ok(project) = Project::find(args.which) {
        EnvFiles::complete(&project.root)?;
        EnvFiles::read(&project.root)?.give(&mut command);
    }
    if let Some(port) = args.port {
        command.env("PIXIE_PORT", port.to_string());
    }
    command.arg("--").args(&args.arguments);
    become_program(&mut command)
}

/// Replaces this process by cargo, so that signals reach the app directly.
#[cfg(unix)]
fn become_program(command: &mut Command) -> Result<ExitCode, Error> {
    use std::os::unix::process::CommandExt;
    Err(no_cargo(&command.exec()))
}

#[cfg(not(unix))]
fn become_program(command: &mut Command) -> Result<ExitCode, Error> {
    let status = command.status().map_err(|error| no_cargo(&error))?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

#[derive(Debug, Serialize)]
struct Summary {
    seconds: f64,
    programs: Vec<Program>,
}

#[derive(Debug, Serialize)]
struct Program {
    path: PathBuf,
    bytes: u64,
    /// `None` for a program that is not a pixie app.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    app: Option<About>,
}

/// The routes and pools of an app, as the app reports them.
#[derive(Debug, Serialize)]
struct About {
    routes: usize,
    kinds: BTreeMap<String, usize>,
    pools: BTreeSet<String>,
}

/// A message of cargo about a program, and the program's package.
#[derive(Deserialize)]
pub(crate) struct Artifact {
    pub(crate) executable: PathBuf,
    manifest_path: PathBuf,
}

pub(crate) fn build(args: BuildArgs) -> Result<(), Error> {
    let start = Instant::now();
    let artifacts = compile(args.which.command("build", !args.debug))?;
    let elapsed = start.elapsed();
    let apps = if artifacts.is_empty() { HashSet::new() } else { apps() };
    let programs = artifacts.into_iter().map(|artifact| describe(artifact, &apps)).collect::<Result<Vec<_>, _>>()?;
    if args.json {
        return output::json(&Summary { seconds: elapsed.as_secs_f64(), programs });
    }
    programs.iter().for_each(|program| show(program, elapsed));
    if programs.is_empty() {
        output::warning("the build did not produce a program: a pixie app has a `src/main.rs`");
    }
    Ok(())
}

fn show(program: &Program, elapsed: Duration) {
    let here = env::current_dir().unwrap_or_default();
    let path = program.path.strip_prefix(&here).unwrap_or(&program.path).display();
    let mebibytes = program.bytes as f64 / (1024.0 * 1024.0);
    output::status("Built", format_args!("{path} ({mebibytes:.1} MiB) in {}", output::time(elapsed)));
    let Some(About { routes, kinds, pools }) = &program.app else { return };
    let kinds: Vec<_> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    output::status("Routes", format_args!("{routes} ({})", kinds.join(", ")));
    let pools: Vec<_> = pools.iter().map(String::as_str).collect();
    output::status("Pools", if pools.is_empty() { "none".into() } else { pools.join(", ") });
}

/// Runs a build and returns its programs, also those that did not have to be rebuilt.
pub(crate) fn compile(mut command: Command) -> Result<Vec<Artifact>, Error> {
    command.arg("--message-format=json-render-diagnostics").stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| no_cargo(&error))?;
    let lines = child.stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).lines());
    // Only messages about programs have the fields of `Artifact`.
    let artifacts = lines.map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok()).collect();
    let status = child.wait().map_err(|error| no_cargo(&error))?;
    if !status.success() {
        return Err(Error::cargo("the build failed"));
    }
    Ok(artifacts)
}

/// Makes the documentation of these packages, without their dependencies.
pub(crate) fn document(packages: &[&String], folder: &Path) -> Result<(), Error> {
    let mut command = cargo();
    command.args(["doc", "--no-deps"]).args(packages.iter().flat_map(|name| ["--package", name])).current_dir(folder);
    match command.status().map_err(|error| no_cargo(&error))?.success() {
        true => Ok(()),
        false => Err(Error::cargo("cargo could not make the documentation")),
    }
}

/// Returns the manifests of the packages here that depend on pixie-web.
fn apps() -> HashSet<PathBuf> {
    let output = cargo().args(["metadata", "--no-deps", "--format-version=1"]).stderr(Stdio::null()).output();
    // After a successful build this does not fail. If it does, the summary has no routes.
    let metadata = output.ok().and_then(|output| serde_json::from_slice::<Value>(&output.stdout).ok());
    let array = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let is_app = |package: &Value| array(&package["dependencies"]).iter().any(|needed| needed["name"] == "pixie-web");
    let packages = array(&metadata.unwrap_or_default()["packages"]).into_iter().filter(is_app);
    packages.filter_map(|package| package["manifest_path"].as_str().map(PathBuf::from)).collect()
}

fn describe(artifact: Artifact, apps: &HashSet<PathBuf>) -> Result<Program, Error> {
    let path = artifact.executable;
    let found = fs::metadata(&path).map_err(|error| Error::io("read the size of the program", &path, &error))?;
    let app = apps.contains(&artifact.manifest_path).then(|| ask(&path, &artifact.manifest_path)).flatten();
    Ok(Program { bytes: found.len(), path, app })
}

/// Asks an app for its routes. A failure is only a warning, because the build itself succeeded.
fn ask(program: &Path, manifest: &Path) -> Option<About> {
    match Told::by(program, manifest.parent().unwrap_or(manifest), "routes") {
        Ok(told) => Some(About { routes: told.routes.len(), kinds: told.kinds(), pools: told.pools() }),
        Err(error) => {
            let place = error.place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
            output::warning(format_args!("{}{place}", error.message));
            None
        }
    }
}
