//! `pixie new` and `pixie init`: create a project from a template, completely or not at all.
//!
//! The order of the steps matters. All checks come before the first write. Then the project is made in a
//! hidden folder (`place`), and the last step that can fail moves it to its place.

mod checkout;
mod generate;
mod manifest;
mod name;
mod place;
mod questions;
mod report;
mod repository;
mod source;

use std::path::{Component, Path, PathBuf};

use clap::Args;

use checkout::Checkout;
pub(crate) use generate::generate_if_asked;
use generate::{Filling, fill};
use manifest::{Manifest, Workspace};
use name::Name;
pub(crate) use name::word_refusal;
use place::{Destination, Existing};
pub(crate) use questions::{confirm, may_ask};
use report::Report;
use repository::Vcs;
use source::{Builtin, Repository, Source, Template};

use crate::{env_files, error::Error, interrupt::Section, output};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  pixie new blog --template app --yes\n  pixie new blog --git https://github.com/you/template"
)]
pub(crate) struct NewArgs {
    /// The folder to create; its last part is the project's name
    #[arg(value_name = "PATH")]
    target: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The existing folder
    #[arg(value_name = "PATH", default_value = ".")]
    target: PathBuf,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Args)]
struct Options {
    /// The project's name, if it differs from the folder's
    #[arg(long)]
    name: Option<String>,
    /// Use a template of this command [default: minimal]
    #[arg(short, long, value_enum)]
    template: Option<Builtin>,
    /// Use a template in this folder
    #[arg(long, value_name = "DIR", group = "elsewhere", conflicts_with = "template")]
    path: Option<PathBuf>,
    /// Use a template in this git repository, fetched with your git
    #[arg(long, value_name = "URL", group = "elsewhere", conflicts_with = "template")]
    git: Option<String>,
    /// The branch or tag of the repository
    #[arg(long, requires = "git")]
    branch: Option<String>,
    /// The folder of the template in the repository
    #[arg(long, value_name = "DIR", requires = "git")]
    folder: Option<PathBuf>,
    /// Answer a question of the template; may be repeated
    #[arg(short, long, value_name = "KEY=VALUE")]
    define: Vec<String>,
    /// Ask no questions and use the defaults
    #[arg(short, long)]
    yes: bool,
    /// Show what would be created, without creating it
    #[arg(long)]
    dry_run: bool,
    /// Allow a folder that is not empty, and replace files of the same name
    #[arg(long)]
    force: bool,
    /// The version control to use [default: git, unless the folder is inside a repository]
    #[arg(long, value_enum)]
    vcs: Option<Vcs>,
    /// Use the pixie crates of this folder, or those of the `registry`
    #[arg(long, value_name = "DIR", hide = true, env = "PIXIE_NEW_CRATES")]
    pixie_path: Option<PathBuf>,
    /// Write the result to stdout as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn new(args: NewArgs) -> Result<(), Error> {
    let path = match args.target {
        Some(path) => path,
        None if args.options.may_ask() => questions::name()?.into(),
        None => return Err(Error::usage("the name of the project is missing").help("add it: `pixie new my-app`")),
    };
    if path.components().all(|part| part == Component::CurDir) {
        return Err(Error::usage("`pixie new` creates a new folder").help("use `pixie init` in an existing folder"));
    }
    make("pixie new", &path, Existing::RefuseAny, &args.options)
}

/// Creates a project in an existing folder, beside the files in it.
pub(crate) fn init(args: InitArgs) -> Result<(), Error> {
    if !args.target.is_dir() {
        let error = Error::new(format_args!("the folder `{}` does not exist", args.target.display()));
        return Err(error.help(format_args!("create it with `pixie new {}`", args.target.display())));
    }
    make("pixie init --name", &args.target, Existing::RefuseSame, &args.options)
}

/// Makes a project. `command` is the command for a fix of the name, without the name.
fn make(command: &str, path: &Path, existing: Existing, options: &Options) -> Result<(), Error> {
    let existing = if options.force { Existing::Replace } else { existing };
    let name = options.name.clone().map_or_else(|| place::name_of(path), Ok)?;
    let name = Name::check(&name, command)?;
    check_defines(&options.define)?;
    let destination = Destination::resolve(path)?;
    destination.check(existing)?;
    let source = options.source()?;

    let section = Section::start();
    let mut workspace = Workspace::around(&section, destination.outside(), &destination.project)?;
    let is_inside_pixie = workspace.as_ref().is_some_and(Workspace::is_pixie);
    workspace = workspace.filter(|workspace| !workspace.is_pixie());
    let gets_repository = repository::is_wanted(&section, options.vcs, destination.outside(), is_inside_pixie)?;
    let staging = destination.stage()?;
    let template = source.fetch(&section)?;
    let checkout = options.checkout(&section);
    let filling = filling(&source, &template, staging.path(), &name, checkout.as_ref(), options)?;
    fill(&section, &filling).map_err(|error| error.because(format_args!("could not fill in the template {source}")))?;
    let mut manifest = Manifest::read(staging.path())?;
    manifest.check_name(name.as_str(), command)?;
    let checkout = checkout.filter(|checkout| manifest.use_checkout(checkout));
    if workspace.is_some() {
        manifest.drop_profiles();
    }
    if is_inside_pixie {
        manifest.be_a_workspace();
    }
    manifest.write()?;

    let files = place::list(staging.path())?;
    let replaced = destination.conflicts(&files);
    refuse_conflicts(&replaced, existing)?;
    section.check()?;
    let mut report = Report {
        name: name.as_str().to_owned(),
        path: destination.project.clone(),
        template: source.to_string(),
        files,
        replaced,
        git: gets_repository,
        workspace: workspace.as_ref().map(|workspace| workspace.path.clone()),
        checkout,
        dry_run: options.dry_run,
        next: next(path),
    };
    if !options.dry_run {
        destination.settle(staging, &report.files)?;
        // A failure from here on is only a warning, because the project itself is complete.
        if gets_repository && let Err(error) = repository::init(&section, &destination.project) {
            report.git = false;
            output::warning(&error.message);
        }
        if let Some(Err(error)) = workspace.as_mut().map(Workspace::add) {
            output::warning(format_args!("the project was not added to its workspace: {}", error.message));
        }
    }
    if options.json {
        return output::json(&report);
    }
    report.print(path)
}

/// Collects the answers to the questions of a template.
fn filling(
    source: &Source,
    template: &Template,
    project: &Path,
    name: &Name,
    checkout: Option<&Checkout>,
    options: &Options,
) -> Result<Filling, Error> {
    let is_ours = matches!(source, Source::Builtin(_));
    let mut define = options.define.clone();
    if is_ours {
        questions::check(&template.folder, &options.define)?;
        define.push(format!("pixie_version={}", env!("CARGO_PKG_VERSION")));
        define.push(format!("pixie_secret={}", env_files::new_secret()?));
        // Another machine does not have the folder, so it could not build the project.
        if let Some(Checkout::Folder { .. }) = checkout {
            define.extend(questions::refused(&template.folder, &options.define)?);
        } else if options.may_ask() {
            define.extend(questions::placeholders(&template.folder, &options.define)?);
        }
    } else if template.has_hooks() {
        output::warning("this template runs its own scripts: use it only if you trust its author");
    }
    Ok(Filling {
        template: template.folder.clone(),
        destination: project.to_owned(),
        name: name.as_str().to_owned(),
        define,
        is_interactive: options.may_ask() && !is_ours,
    })
}

impl Options {
    fn may_ask(&self) -> bool {
        !self.yes && !self.json && questions::may_ask()
    }

    fn source(&self) -> Result<Source, Error> {
        if let Some(folder) = &self.path {
            return Ok(Source::Folder(folder.clone()));
        }
        if let Some(url) = &self.git {
            let (branch, folder) = (self.branch.clone(), self.folder.clone());
            return Ok(Source::Git(Repository { url: url.clone(), branch, folder }));
        }
        Ok(Source::Builtin(match self.template {
            Some(template) => template,
            None if self.may_ask() => questions::template()?,
            None => Builtin::Minimal,
        }))
    }

    fn checkout(&self, section: &Section) -> Option<Checkout> {
        match &self.pixie_path {
            Some(path) if path == Path::new("registry") => None,
            Some(path) => std::path::absolute(path).ok().map(|path| Checkout::Folder { path }),
            None => Checkout::of_this_command(section),
        }
    }
}

fn check_defines(pairs: &[String]) -> Result<(), Error> {
    match pairs.iter().find(|pair| !pair.contains('=')) {
        None => Ok(()),
        Some(pair) => Err(Error::usage(format_args!("the value of `--define {pair}` is missing"))
            .help(format_args!("write `--define {pair}=VALUE`"))),
    }
}

fn refuse_conflicts(conflicts: &[PathBuf], existing: Existing) -> Result<(), Error> {
    if conflicts.is_empty() || existing == Existing::Replace {
        return Ok(());
    }
    let names: Vec<_> = conflicts.iter().map(|path| path.display().to_string()).collect();
    let error = Error::new(format_args!("these files exist already: {}", names.join(", ")));
    Err(error.help("move them, or replace them with `--force`"))
}

fn next(path: &Path) -> Vec<String> {
    let enter = (path != Path::new(".")).then(|| format!("cd {}", quoted(&path.display().to_string())));
    enter.into_iter().chain(["pixie dev".to_owned()]).collect()
}

/// Returns the path in quotes if a shell needs them.
fn quoted(path: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "/\\.:_-+,@%=".contains(letter);
    match path.chars().all(is_plain) {
        true => path.to_owned(),
        false => format!("'{}'", path.replace('\'', r"'\''")),
    }
}
