//! `pixie run` and `pixie build`: cargo with the profile that a server wants, and a summary: size, time, routes, pools.
//!
//! Cargo's own output passes through untouched, and so does its exit code.

use std::{
    collections::{BTreeMap, HashSet},
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

use crate::{
    env_files::EnvFiles,
    error::Error,
    output,
    program::Told,
    project::{Project, Which},
};

/// What to build, for every subcommand that builds.
#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// Build without optimisation, with debug assertions
    #[arg(long)]
    debug: bool,
    /// The package, in a workspace
    #[arg(short, long, value_name = "NAME")]
    package: Option<String>,
    /// The program, if the package has several
    #[arg(long, value_name = "NAME")]
    bin: Option<String>,
    /// Features to turn on
    #[arg(short = 'F', long, value_name = "LIST")]
    features: Option<String>,
}

/// Arguments of `pixie run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    selection: Selection,
    /// The port to listen on: sets PIXIE_PORT
    #[arg(long)]
    port: Option<u16>,
    /// Arguments of the program
    #[arg(last = true)]
    arguments: Vec<OsString>,
}

/// Arguments of `pixie build`.
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    #[command(flatten)]
    selection: Selection,
    /// Write the summary to stdout as JSON
    #[arg(long)]
    json: bool,
}

/// Returns the cargo that started this program, or the one in the path.
pub(crate) fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

impl Selection {
    fn command(&self, subcommand: &str) -> Command {
        let mut command = cargo();
        command.arg(subcommand);
        if !self.debug {
            command.arg("--release");
        }
        command.args(self.package.iter().flat_map(|name| ["--package", name]));
        command.args(self.bin.iter().flat_map(|name| ["--bin", name]));
        command.args(self.features.iter().flat_map(|list| ["--features", list]));
        command
    }

    /// Returns the variables of the project's `.env` and `.env.local`. What is wrong with the project itself is cargo's to tell.
    fn variables(&self) -> Result<EnvFiles, Error> {
        let which = Which::named(self.package.as_deref(), self.bin.as_deref());
        Project::find(which).map_or_else(|_| Ok(EnvFiles::default()), |project| EnvFiles::read(&project.root))
    }
}

/// Builds the app and becomes it.
pub(crate) fn run(args: RunArgs) -> Result<ExitCode, Error> {
    let mut command = args.selection.command("run");
    args.selection.variables()?.give(&mut command);
    if let Some(port) = args.port {
        command.env("PIXIE_PORT", port.to_string());
    }
    command.arg("--").args(&args.arguments);
    become_program(&mut command)
}

/// On Unix this process turns into cargo: signals then reach the app, and nothing of ours stands in between.
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

/// What `pixie build` made.
#[derive(Debug, Serialize)]
struct Summary {
    seconds: f64,
    programs: Vec<Program>,
}

#[derive(Debug, Serialize)]
struct Program {
    path: PathBuf,
    bytes: u64,
    /// Nothing for a program that is no pixie app.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    app: Option<About>,
}

/// What an app told of itself.
#[derive(Debug, Serialize)]
struct About {
    routes: usize,
    kinds: BTreeMap<String, usize>,
    pools: Vec<String>,
}

/// One of cargo's messages: a program, and whose it is.
#[derive(Deserialize)]
struct Artifact {
    executable: PathBuf,
    manifest_path: PathBuf,
}

/// Builds the app and says what came out.
pub(crate) fn build(args: BuildArgs) -> Result<(), Error> {
    let start = Instant::now();
    let artifacts = compile(args.selection.command("build"))?;
    let elapsed = start.elapsed();
    let apps = if artifacts.is_empty() { HashSet::new() } else { apps() };
    let programs = artifacts.into_iter().map(|artifact| weigh(artifact, &apps)).collect::<Result<Vec<_>, _>>()?;
    if args.json {
        let json = serde_json::to_string_pretty(&Summary { seconds: elapsed.as_secs_f64(), programs });
        let json = json.map_err(|error| Error::new(format_args!("could not write the summary: {error}")))?;
        anstream::println!("{json}");
        return Ok(());
    }
    programs.iter().for_each(|program| show(program, elapsed));
    if programs.is_empty() {
        output::warning("nothing here is a program: pixie apps have a `src/main.rs`");
    }
    Ok(())
}

fn show(program: &Program, elapsed: Duration) {
    let here = env::current_dir().unwrap_or_default();
    let path = program.path.strip_prefix(&here).unwrap_or(&program.path).display();
    output::status("Built", format_args!("{path} ({}) in {}", size(program.bytes), time(elapsed)));
    let Some(About { routes, kinds, pools }) = &program.app else { return };
    let kinds: Vec<_> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    output::status("Routes", format_args!("{routes} ({})", kinds.join(", ")));
    let names = if pools.is_empty() { "none".into() } else { pools.join(", ") };
    output::status("Pools", names);
}

/// Runs a build and returns the programs that it made, also those that were fresh.
fn compile(mut command: Command) -> Result<Vec<Artifact>, Error> {
    command.arg("--message-format=json-render-diagnostics").stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| no_cargo(&error))?;
    let lines = child.stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).lines());
    // Messages about anything but a program lack what is asked for.
    let artifacts = lines.map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok()).collect();
    let status = child.wait().map_err(|error| no_cargo(&error))?;
    if !status.success() {
        return Err(Error::cargo("the build failed"));
    }
    Ok(artifacts)
}

/// Returns the manifests of the packages here that depend on pixie-web.
fn apps() -> HashSet<PathBuf> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        manifest_path: PathBuf,
        dependencies: Vec<Dependency>,
    }
    #[derive(Deserialize)]
    struct Dependency {
        name: String,
    }
    let output = cargo().args(["metadata", "--no-deps", "--format-version=1"]).stderr(Stdio::null()).output();
    // The build went well, so this does; without it the summary is short, no more.
    let metadata = output.ok().and_then(|output| serde_json::from_slice::<Metadata>(&output.stdout).ok());
    let is_app = |package: &Package| package.dependencies.iter().any(|dependency| dependency.name == "pixie-web");
    let packages = metadata.into_iter().flat_map(|metadata| metadata.packages);
    packages.filter(is_app).map(|package| package.manifest_path).collect()
}

fn weigh(artifact: Artifact, apps: &HashSet<PathBuf>) -> Result<Program, Error> {
    let path = artifact.executable;
    let found = fs::metadata(&path).map_err(|error| Error::io("look at the program", &path, &error))?;
    let app = apps.contains(&artifact.manifest_path).then(|| ask(&path, &artifact.manifest_path)).flatten();
    Ok(Program { bytes: found.len(), path, app })
}

/// An app that does not tell is a warning: it was built, which is what was asked for.
fn ask(program: &Path, manifest: &Path) -> Option<About> {
    match Told::by(program, manifest.parent().unwrap_or(manifest), "routes") {
        Ok(told) => Some(About {
            routes: told.routes.len(),
            kinds: told.kinds().into_iter().map(|(kind, count)| (kind.to_owned(), count)).collect(),
            pools: told.pools().into_iter().map(str::to_owned).collect(),
        }),
        Err(error) => {
            let place = error.place().map(|place| format!(" ({place})")).unwrap_or_default();
            output::warning(format_args!("{}{place}", error.message()));
            None
        }
    }
}

/// Why cargo does not start.
pub(crate) fn no_cargo(error: &std::io::Error) -> Error {
    Error::io("start cargo", Path::new(cargo().get_program()), error).help("install Rust: https://rustup.rs")
}

fn size(bytes: u64) -> String {
    let mebibytes = bytes as f64 / (1024.0 * 1024.0);
    format!("{mebibytes:.1} MiB")
}

fn time(elapsed: Duration) -> String {
    match elapsed.as_secs() {
        0..60 => format!("{:.1} s", elapsed.as_secs_f64()),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}
