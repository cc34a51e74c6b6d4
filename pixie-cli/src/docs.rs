//! `pixie docs`: the guide and the documentation of the pixie that the app uses, in the browser.
//!
//! cargo makes them from crates that are on this machine already, with the features of the app. So they suit the
//! app, and need no network.

use std::{fs, path::Path};

use clap::Args;

use crate::{
    cargo::document,
    error::Error,
    output,
    project::{Project, Which},
};

#[derive(Debug, Args)]
pub(crate) struct DocsArgs {
    /// A page of the guide, such as `forms`; without it the table of contents
    page: Option<String>,
    /// The package of the app, in a workspace
    #[arg(short, long, value_name = "NAME")]
    package: Option<String>,
    /// Print the file to open, and open nothing
    #[arg(long)]
    print: bool,
}

pub(crate) fn docs(args: DocsArgs) -> Result<(), Error> {
    let project = Project::find(Which::package(args.package))?;
    if !project.is_app {
        return Err(project.no_app().help("run `pixie docs` in the folder of an app, or make one with `pixie new`"));
    }
    // rustdoc links only to crates that are documented already, so pixie-web comes last.
    let (last, others): (Vec<_>, Vec<_>) = project.pixie.iter().partition(|name| *name == "pixie-web");
    for packages in [others, last] {
        document(&packages, &project.root)?;
    }
    let guide = project.target.join("doc/pixie_web/guide");
    let file = match &args.page {
        None => guide.join("index.html"),
        Some(page) => guide.join(page.replace('-', "_")).join("index.html"),
    };
    if !file.is_file() {
        let page = args.page.unwrap_or_default();
        return Err(Error::new(format_args!("the guide does not have a page `{page}`")).help(pages(&guide)));
    }
    match args.print {
        true => output::print(&format!("{}\n", file.display())),
        false => {
            // The thread ends as soon as the browser was told, or prints the address.
            let _ = output::browse(&format!("file://{}", file.display())).join();
            Ok(())
        }
    }
}

/// Returns the names of the guide's pages, for a message.
fn pages(guide: &Path) -> String {
    let entries = fs::read_dir(guide).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir());
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    format!("its pages are {}", names.join(", "))
}
