//! The project of a command, from `cargo metadata`: the package, the program, and the folders of the sources.
//!
//! Runs cargo once, and does not build.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, io,
    path::{Path, PathBuf},
    process::Command,
};

use clap::Args;
use serde::Deserialize;

use crate::error::Error;

/// The options that select a program.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Which {
    /// The package to use, in a workspace
    #[arg(short, long, value_name = "NAME")]
    package: Option<String>,
    /// The program to use, if the package has several
    #[arg(long, value_name = "NAME")]
    bin: Option<String>,
    /// Use this example instead of the program
    #[arg(long, value_name = "NAME", conflicts_with = "bin")]
    example: Option<String>,
    /// Features to turn on
    #[arg(short = 'F', long, value_name = "LIST")]
    features: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Project {
    pub(crate) package: String,
    pub(crate) program: String,
    pub(crate) root: PathBuf,
    /// The files of the program and of the package's library, if it has one.
    pub(crate) sources: Vec<PathBuf>,
    pub(crate) edition: String,
    pub(crate) workspace: PathBuf,
    /// cargo's target folder.
    pub(crate) target: PathBuf,
    /// The folders of the package and of its path dependencies.
    pub(crate) local: Vec<PathBuf>,
    pub(crate) is_app: bool,
    /// The crates of pixie that the package uses, but for those with macros.
    pub(crate) pixie: Vec<String>,
    which: Which,
    pub(crate) is_release: bool,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Option<Resolve>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
    workspace_default_members: Vec<String>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    source: Option<String>,
    manifest_path: PathBuf,
    targets: Vec<Target>,
    edition: String,
    default_run: Option<String>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
    src_path: PathBuf,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    dependencies: Vec<String>,
}

impl Which {
    /// Selects a package, by default the one of the current folder.
    pub(crate) fn package(package: Option<String>) -> Which {
        Which { package, ..Which::default() }
    }

    /// Returns the command of cargo for this selection.
    pub(crate) fn command(&self, subcommand: &str, is_release: bool) -> Command {
        let mut command = cargo();
        command.arg(subcommand);
        command.args(is_release.then_some("--release"));
        command.args(self.package.iter().flat_map(|name| ["--package", name]));
        command.args(self.bin.iter().flat_map(|name| ["--bin", name]));
        command.args(self.example.iter().flat_map(|name| ["--example", name]));
        command.args(self.features.iter().flat_map(|list| ["--features", list]));
        command
    }
}

impl Project {
    pub(crate) fn find(which: Which) -> Result<Project, Error> {
        Project::of(metadata(&[])?, which)
    }

    /// Reads the project again, after its manifests have changed, without network access.
    pub(crate) fn again(&self) -> Result<Project, Error> {
        let again = Project::of(metadata(&["--offline"])?, self.which.clone())?;
        Ok(Project { is_release: self.is_release, ..again })
    }

    fn of(metadata: Metadata, which: Which) -> Result<Project, Error> {
        let package = choose_package(&metadata, &which)?;
        let program = choose_program(package, &which)?;
        let root = folder(package);
        let names = needed(&metadata, &package.id, |_| true).into_iter().map(|package| &package.name);
        let ours = names.filter(|name| name.starts_with("pixie-") && !name.ends_with("-macros"));
        let pixie: Vec<_> = ours.cloned().collect();
        Ok(Project {
            package: package.name.clone(),
            sources: sources(package, &program),
            edition: package.edition.clone(),
            program,
            local: local_folders(&metadata, &package.id),
            is_app: pixie.iter().any(|name| name == "pixie-web"),
            pixie,
            root,
            workspace: metadata.workspace_root.clone(),
            target: metadata.target_directory.clone(),
            which,
            is_release: false,
        })
    }

    /// Returns the error of a package that is not an app.
    pub(crate) fn no_app(&self) -> Error {
        let error = Error::new(format_args!("`{}` is not a pixie app: it does not depend on pixie-web", self.package));
        error.at(self.root.join("Cargo.toml").display())
    }

    pub(crate) fn build(&self) -> Command {
        let which = Which { package: Some(self.package.clone()), ..self.which.clone() };
        let which = match which.example {
            Some(_) => which,
            None => Which { bin: Some(self.program.clone()), ..which },
        };
        let mut cargo = which.command("build", self.is_release);
        cargo.arg("--manifest-path").arg(self.root.join("Cargo.toml"));
        cargo
    }
}

/// Returns the cargo that started this program, else the one in `PATH`.
pub(crate) fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Returns the error of a cargo that does not start.
pub(crate) fn no_cargo(error: &io::Error) -> Error {
    Error::io("start cargo", Path::new(cargo().get_program()), error).help("install Rust: https://rustup.rs")
}

fn metadata(more: &[&str]) -> Result<Metadata, Error> {
    let folder = env::current_dir().unwrap_or_default();
    // Without the filter, cargo would need the crates of other platforms too.
    let question = ["metadata", "--format-version=1", "--filter-platform", "host-tuple"];
    let asked = cargo().args(question).args(more).output();
    let output = asked.map_err(|error| no_cargo(&error))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let text = text.trim().trim_start_matches("error: ");
        let error = Error::cargo(text).at(folder.display());
        return Err(match hint(text) {
            Some(hint) => error.help(hint),
            None => error,
        });
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| Error::new(format_args!("could not read the output of `cargo metadata`: {error}")))
}

/// Returns how to fix an error of cargo, if its reason is known.
fn hint(text: &str) -> Option<String> {
    if text.contains("could not find `Cargo.toml`") {
        return Some("make a project with `pixie new NAME`, run the command in its folder, or add -C DIR".to_owned());
    }
    if text.contains("RUSTFLAGS") || text.contains("codegen option") || text.contains("to learn about target-specific")
    {
        let wrapper = wrapper();
        if let Some((variable, program)) = wrapper.filter(|(_, program)| text.contains(&**program)) {
            return Some(format!(
                "{variable} names `{program}`, which does not start: install it, or unset {variable}"
            ));
        }
        let flags = env::var("RUSTFLAGS").or_else(|_| env::var("CARGO_ENCODED_RUSTFLAGS")).ok();
        return flags.map(|flags| format!("rustc refuses RUSTFLAGS, which are `{flags}`: correct or unset them"));
    }
    let is_offline = text.contains("offline") || text.contains("--frozen");
    is_offline.then(|| {
        "cargo may not use the network (CARGO_NET_OFFLINE, --offline or `net.offline`): allow it once".to_owned()
    })
}

/// Returns the program that stands in for rustc, and the variable that names it.
pub(crate) fn wrapper() -> Option<(&'static str, String)> {
    let variables = ["RUSTC_WRAPPER", "CARGO_BUILD_RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"];
    variables.into_iter().find_map(|name| Some((name, env::var(name).ok().filter(|program| !program.is_empty())?)))
}

fn choose_package<'m>(metadata: &'m Metadata, which: &Which) -> Result<&'m Package, Error> {
    let here = env::current_dir().unwrap_or_default();
    let wanted = |package: &&Package| match &which.package {
        Some(name) => package.source.is_none() && package.name == *name,
        None => folder(package) == here,
    };
    if let Some(package) = metadata.packages.iter().find(wanted) {
        return Ok(package);
    }
    if let Some(name) = &which.package {
        let error = Error::new(format_args!("the workspace does not have a package `{name}`"));
        return Err(error.at(metadata.workspace_root.display()));
    }
    let is_default = |package: &&Package| metadata.workspace_default_members.contains(&package.id);
    let programs: Vec<_> = metadata.packages.iter().filter(is_default).filter(|p| !programs(p).is_empty()).collect();
    match programs[..] {
        [package] => Ok(package),
        [] => {
            let error = Error::new("the project does not have a program").help("write src/main.rs");
            Err(error.at(metadata.workspace_root.display()))
        }
        _ => {
            let names: Vec<_> = programs.iter().map(|package| package.name.as_str()).collect();
            Err(Error::new("several packages have a program")
                .help(format_args!("add -p with one of {}", names.join(", "))))
        }
    }
}

fn choose_program(package: &Package, which: &Which) -> Result<String, Error> {
    let has =
        |kind: &str, name: &str| package.targets.iter().any(|t| t.name == name && t.kind.iter().any(|k| k == kind));
    let named = which.example.as_deref().map(|name| ("example", name));
    if let Some((kind, name)) = named.or(which.bin.as_deref().map(|name| ("bin", name))) {
        let unknown = || Error::new(format_args!("the package `{}` does not have the {kind} `{name}`", package.name));
        return has(kind, name).then(|| name.to_owned()).ok_or_else(unknown);
    }
    let programs = programs(package);
    match (&package.default_run, &programs[..]) {
        (Some(name), _) => Ok(name.clone()),
        (None, [name]) => Ok((*name).to_owned()),
        (None, []) => Err(Error::new(format_args!("the package `{}` does not have a program", package.name))
            .help("write src/main.rs, or choose an example with --example NAME")),
        (None, names) => Err(Error::new(format_args!("the package `{}` has several programs", package.name))
            .help(format_args!("add --bin with one of {}", names.join(", ")))),
    }
}

fn programs(package: &Package) -> Vec<&str> {
    let is_program = |target: &&Target| target.kind.iter().any(|kind| kind == "bin");
    package.targets.iter().filter(is_program).map(|target| target.name.as_str()).collect()
}

/// Returns the file of a program, and that of the library.
fn sources(package: &Package, program: &str) -> Vec<PathBuf> {
    let is = |target: &&Target, wanted: &str| target.kind.iter().any(|kind| kind == wanted);
    let programs = package.targets.iter().filter(|target| is(target, "bin") && target.name == program);
    let libraries = package.targets.iter().filter(|target| is(target, "lib"));
    programs.chain(libraries).map(|target| target.src_path.clone()).collect()
}

fn folder(package: &Package) -> PathBuf {
    package.manifest_path.parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Returns the folders of a package and of its path dependencies; the package itself is the first.
fn local_folders(metadata: &Metadata, start: &str) -> Vec<PathBuf> {
    needed(metadata, start, |package| package.source.is_none()).into_iter().map(folder).collect()
}

/// Returns a package and all its dependencies, itself first. A package that is not wanted is left out, and so
/// are dependencies that only it has.
fn needed<'m>(metadata: &'m Metadata, start: &'m str, is_wanted: impl Fn(&Package) -> bool) -> Vec<&'m Package> {
    let packages: BTreeMap<_, _> = metadata.packages.iter().map(|package| (package.id.as_str(), package)).collect();
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    let needs: BTreeMap<_, _> = nodes.map(|node| (node.id.as_str(), &node.dependencies)).collect();
    let (mut seen, mut waiting, mut found) = (BTreeSet::new(), vec![start], Vec::new());
    while let Some(id) = waiting.pop() {
        let Some(package) = packages.get(id).filter(|package| is_wanted(package)) else { continue };
        if seen.insert(id) {
            found.push(*package);
            waiting.extend(needs.get(id).into_iter().flat_map(|ids| ids.iter().map(String::as_str)));
        }
    }
    found
}
