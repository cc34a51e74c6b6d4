//! The app, and its start.

mod accounts;
mod errors;
mod notebook;
mod notes;
mod primes;

use std::{env, path::PathBuf, time::Duration};

use notebook::Notebook;
use pixie_web::{App, Folder, ProcessType, Result, proc_env};

/// All routes with an attribute, the notebook that they share, the static files, and the error pages.
fn app(notebook: Notebook) -> App {
    let app = App::collect().state(notebook).folder("/static", files());
    errors::CODES
        .into_iter()
        .fold(app, |app, code| app.error_page(code, errors::page))
}

/// Browsers cache a file, but ask each time whether it has changed, because its address has no version.
fn files() -> Folder {
    Folder::new("static")
        .max_age(Duration::ZERO)
        .without_index()
}

/// Worker processes also run this function, but only the main process opens the notebook.
fn main() -> Result<()> {
    let file = env::var_os("NOTES_FILE").map_or_else(|| "data/notes.redb".into(), PathBuf::from);
    let notebook = Notebook::at(file);
    if proc_env().process_type == ProcessType::Main {
        notebook.check()?;
    }
    app(notebook).run()
}

#[cfg(test)]
mod tests;
