//! `pixie new` and `pixie init`: create a project from a template, completely or not at all.
//!
//! The order of the steps matters. All checks come before the first write. Then the project is made in a
//! hidden folder (`place`), and the last step that can fail moves it to its place.

mod builtin;
mod generate;
mod manifest;
mod name;
mod place;
mod questions;
mod report;
mod repository;
mod source;

use std::path::{Path, PathBuf};

use clap::Args;

use generate::Answers;
pub(crate) use generate::generate_if_asked;
use manifest::{Manifest, Workspace};
use name::Name;
use place::{Destination, Existing, Staging};
use report::Report;
use repository::{Repository, Vcs};
use source::{Source, Template};

use crate::{error::Error, interrupt::Section, output};

/// Arguments of `pixie new`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  pixie new blog --template app --yes\n  pixie new blog --git https://github.com/you/template"
)]
pub(crate) struct NewArgs {
    /// The folder to create; its last part is the project's name
    #[arg(value_name = "PATH")]
    target: Option<PathBuf>,
    /// The project's name, if it differs from the folder's
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    options: Options,
}

/// Arguments of `pixie init`.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The existing folder
    #[arg(value_name = "PATH", default_value = ".")]
    target: PathBuf,
    /// The project's name, if it differs from the folder's
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Args)]
struct Options {
    /// Use a template of this command [default: minimal]
    #[arg(short, long, value_enum)]
    template: Option<builtin::Builtin>,
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
    /// Use the pixie crates of this checkout instead of the registry
    #[arg(long, value_name = "DIR", hide = true)]
    pixie_path: Option<PathBuf>,
    /// Write the result to stdout as JSON
    #[arg(long)]
    json: bool,
}

/// Creates a project in a new folder.
pub(crate) fn new(args: NewArgs) -> Result<(), Error> {
    let may_ask = !args.options.yes && !args.options.json && questions::may_ask();
    let path = match args.target {
        Some(path) => path,
        None if may_ask => questions::name()?.into(),
        None => return Err(Error::usage("the name of the project is missing").help("add it: `pixie new my-app`")),
    };
    if path.components().all(|part| matches!(part, std::path::Component::CurDir)) {
        return Err(Error::usage("`pixie new` creates a new folder").help("use `pixie init` in an existing folder"));
    }
    let name = args.name.map_or_else(|| place::name_of(&path), Ok)?;
    let existing = if args.options.force { Existing::Replace } else { Existing::RefuseAny };
    let command = Command { verb: "pixie new", path, existing, may_ask };
    command.make(&name, &args.options)
}

/// Creates a project in an existing folder, beside the files in it.
pub(crate) fn init(args: InitArgs) -> Result<(), Error> {
    let may_ask = !args.options.yes && !args.options.json && questions::may_ask();
    if !args.target.is_dir() {
        let error = Error::new(format_args!("the folder `{}` does not exist", args.target.display()));
        return Err(error.help(format_args!("create it with `pixie new {}`", args.target.display())));
    }
    let name = args.name.map_or_else(|| place::name_of(&args.target), Ok)?;
    let existing = if args.options.force { Existing::Replace } else { Existing::RefuseSame };
    let command = Command { verb: "pixie init --name", path: args.target, existing, may_ask };
    command.make(&name, &args.options)
}

/// `pixie new` or `pixie init`.
struct Command {
    verb: &'static str,
    path: PathBuf,
    existing: Existing,
    may_ask: bool,
}

impl Command {
    fn make(self, name: &str, options: &Options) -> Result<(), Error> {
        let name = Name::check(name, self.verb)?;
        check_defines(&options.define)?;
        let destination = Destination::resolve(&self.path)?;
        destination.check(self.existing)?;
        let source = options.source(self.may_ask)?;

        let section = Section::start();
        let repository = Repository::decide(&section, options.vcs, destination.outside())?;
        let template = source.fetch(&section)?;
        let mut staging = destination.stage()?;
        self.fill(&section, &source, &template, &staging, &name, options)?;
        let mut workspace = Workspace::around(&section, destination.outside(), destination.project())?;
        let checkout = self.finish_manifest(staging.path(), &name, options.checkout(), workspace.is_some())?;

        let files = staging.list()?.to_vec();
        let replaced = staging.conflicts(&destination);
        refuse_conflicts(&replaced, self.existing)?;
        section.check()?;
        let mut report = Report {
            name: name.as_str().to_owned(),
            path: destination.project().to_owned(),
            template: source.to_string(),
            files,
            replaced,
            git: repository == Repository::Init,
            workspace: workspace.as_ref().map(|workspace| workspace.path().to_owned()),
            checkout,
            dry_run: options.dry_run,
            next: next(&self.path),
        };
        if !options.dry_run {
            staging.settle(&destination)?;
            report.git = made_repository(repository, &section, destination.project());
            join(workspace.as_mut());
        }
        if options.json {
            return output::json(&report);
        }
        report.print(&destination.shown);
        Ok(())
    }

    fn fill(
        &self,
        section: &Section,
        source: &Source,
        template: &Template,
        staging: &Staging,
        name: &Name,
        options: &Options,
    ) -> Result<(), Error> {
        let is_ours = matches!(source, Source::Builtin(_));
        let mut define = options.define.clone();
        if is_ours {
            questions::check(template.folder(), &options.define)?;
            define.push(format!("pixie_version={}", env!("CARGO_PKG_VERSION")));
            define.push(format!("pixie_secret={}", secret()?));
            if self.may_ask {
                define.extend(questions::placeholders(template.folder(), &options.define)?);
            }
        } else if template.has_hooks() {
            output::warning("this template runs its own scripts: use it only if you trust its author");
        }
        let answers = if self.may_ask && !is_ours { Answers::Asked } else { Answers::Given };
        let filled = generate::fill(section, template.folder(), staging.path(), name.as_str(), &define, answers);
        filled.map_err(|error| error.because(format_args!("could not fill in the template {source}")))
    }

    /// Completes the manifest, and returns the checkout if the project uses it.
    fn finish_manifest(
        &self,
        project: &Path,
        name: &Name,
        checkout: Option<PathBuf>,
        is_member: bool,
    ) -> Result<Option<PathBuf>, Error> {
        let mut manifest = Manifest::read(project)?;
        manifest.check_name(name.as_str(), self.verb)?;
        let used = checkout.filter(|checkout| manifest.use_checkout(checkout));
        if is_member {
            manifest.drop_profiles();
        }
        manifest.write()?;
        Ok(used)
    }
}

impl Options {
    fn source(&self, may_ask: bool) -> Result<Source, Error> {
        if let Some(folder) = &self.path {
            return Ok(Source::Folder(folder.clone()));
        }
        if let Some(url) = &self.git {
            let (branch, folder) = (self.branch.clone(), self.folder.clone());
            return Ok(Source::Git(source::Repository { url: url.clone(), branch, folder }));
        }
        let chosen = match self.template {
            Some(template) => template,
            None if may_ask => questions::template()?,
            None => builtin::Builtin::Minimal,
        };
        Ok(Source::Builtin(chosen))
    }

    fn checkout(&self) -> Option<PathBuf> {
        match &self.pixie_path {
            Some(path) => std::path::absolute(path).ok(),
            None => manifest::checkout(),
        }
    }
}

/// Returns 256 random bits in hexadecimal: what the cookies of the new project are sealed with while it is
/// developed.
fn secret() -> Result<String, Error> {
    let mut bytes = [0; 32];
    let failed = |error| Error::new(format_args!("could not get random numbers from the system: {error}"));
    getrandom::fill(&mut bytes).map_err(failed)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
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

/// Creates the repository and returns whether there is a new one. A failure is only a warning, because the
/// project itself is complete.
fn made_repository(repository: Repository, section: &Section, project: &Path) -> bool {
    repository.make(section, project).unwrap_or_else(|error| {
        output::warning(error.message());
        false
    })
}

fn join(workspace: Option<&mut Workspace>) {
    if let Some(Err(error)) = workspace.map(Workspace::add) {
        output::warning(format_args!("the project was not added to its workspace: {}", error.message()));
    }
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
