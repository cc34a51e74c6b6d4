//! `pixie add`: writes a handler, its template and its test into an app, and shows the difference first.
//!
//! Sources are parsed to find names and places, and texts are inserted there, so that the rest of a file
//! stays as its author wrote it. All checks come before the first write.

mod draft;
mod format;
mod manifest;
mod name;
mod piece;
mod program;
mod source;
mod target;

use clap::{Args, Subcommand};
use pixie_grammar::{PathPart, RouteType, parse_path};

use self::{draft::Draft, name::Name, piece::Piece, program::METHODS, target::Target};
use crate::{
    error::Error,
    interrupt::Section,
    new::{confirm, may_ask},
    output,
    project::{Project, Which},
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  pixie add route user --path '/users/<id:int>' --kind thread\n  pixie add login accounts --dry-run"
)]
pub(crate) struct AddArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Adds a handler that answers with text, and its test
    Route {
        #[command(flatten)]
        common: Common,
        /// The method of the requests
        #[arg(long, value_parser = METHODS, default_value = "get", ignore_case = true)]
        method: String,
        /// Where the handler runs: sync, thread, async, pool or stream [default: the app's choice, else pool]
        #[arg(long, value_name = "KIND")]
        kind: Option<RouteType>,
    },
    /// Adds a page: a handler, its template and its test
    Template {
        #[command(flatten)]
        common: Common,
    },
    /// Adds a pool of worker processes with limits, a handler that runs in it, and its tests
    Pool {
        #[command(flatten)]
        common: Common,
    },
    /// Adds pages to sign up, log in and log out, their template and their tests
    Login {
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Clone, Debug, Args)]
struct Common {
    /// The name of the new module, such as `users` or `admin-page`
    name: String,
    /// The path of the route; for a login, the path before `/login` [default: from the name]
    #[arg(long)]
    path: Option<String>,
    /// Write without asking
    #[arg(short, long)]
    yes: bool,
    /// Show the difference, without writing
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// The package of the app, in a workspace
    #[arg(short, long, value_name = "NAME")]
    package: Option<String>,
}

impl What {
    fn common(&self) -> (&'static str, &Common) {
        match self {
            Self::Route { common, .. } => ("route", common),
            Self::Template { common } => ("template", common),
            Self::Pool { common } => ("pool", common),
            Self::Login { common } => ("login", common),
        }
    }

    /// Returns the path, and its parts.
    fn path(&self, name: &Name) -> Result<(String, Vec<PathPart>), Error> {
        let default = if matches!(self, Self::Login { .. }) { "/".to_owned() } else { format!("/{}", name.kebab()) };
        let path = self.common().1.path.clone().unwrap_or(default);
        let parts = parse_path(&path).map_err(Error::usage)?;
        let wildcards =
            parts.iter().filter_map(|part| if let PathPart::Wildcard { name, .. } = part { Some(name) } else { None });
        for wildcard in wildcards {
            if matches!(self, Self::Pool { .. } | Self::Login { .. }) {
                return Err(Error::usage(format_args!("the wildcard `<{wildcard}>` does not fit here"))
                    .help("write a path without wildcards, and change it in the code later"));
            }
            if syn::parse_str::<syn::Ident>(wildcard).is_err() {
                return Err(Error::usage(format_args!(
                    "the wildcard `<{wildcard}>` cannot be an argument of a function"
                ))
                .help(format_args!("try `<{wildcard}_>`")));
            }
        }
        // The texts have the path in a literal.
        match path.contains(['"', '\\', '$']) {
            true => Err(Error::usage(format_args!("the path `{path}` has a character that needs an escape in Rust"))),
            false => Ok((path, parts)),
        }
    }
}

pub(crate) fn add(args: AddArgs) -> Result<(), Error> {
    let (word, common) = args.what.common();
    if !common.yes && !common.dry_run && !may_ask() {
        return Err(Error::usage("`pixie add` asks before it writes, and there is no terminal to ask")
            .help("add `--yes` to write, or `--dry-run` to only show the difference"));
    }
    let name = Name::check(&common.name, &format!("pixie add {word}"))?;
    let (path, parts) = args.what.path(&name)?;
    let project = Project::find(Which::package(common.package.clone()))?;
    let app = Target::find(&project)?;
    let piece = app.piece(&args.what, &name, &path, &parts)?;
    let (draft, notes) = app.draft(&name, &piece)?;

    output::print(&draft.difference())?;
    let count = draft.files().len();
    let files = if count == 1 { "this file".to_owned() } else { format!("these {count} files") };
    if !common.dry_run {
        if !common.yes && !confirm(&format!("Write {files}?"))? {
            output::status("Kept", "all files as they are");
            return Ok(());
        }
        // A signal waits for the end of the section.
        let section = Section::start();
        draft.write()?;
        drop(section);
    }
    report(&draft, &piece, common.dry_run, &name);
    notes.iter().for_each(output::help);
    Ok(())
}

fn report(draft: &Draft, piece: &Piece, is_dry: bool, name: &Name) {
    for (path, is_new) in draft.files() {
        let verb = match (is_new, is_dry) {
            (true, false) => "Created",
            (false, false) => "Changed",
            (true, true) => "Would create",
            (false, true) => "Would change",
        };
        output::status(verb, path.display());
    }
    for (method, path) in &piece.routes {
        output::status("Route", format_args!("{} {path}", method.to_uppercase()));
    }
    output::status("Test", format_args!("cargo test {}", name.module));
}
