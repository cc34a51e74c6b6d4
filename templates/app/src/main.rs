//! The app: what it is made of, and its start.

mod errors;
mod notebook;
mod notes;
mod primes;
mod visitor;

use std::{env, path::PathBuf, time::Duration};

use notebook::Notebook;
use pixie_web::{App, Folder, ProcessType, Result, proc_env};

/// Every route that an attribute wrote, the notebook that they share, files, and the pages of errors.
fn app(notebook: Notebook) -> App {
    let app = App::collect().state(notebook).folder("/static", files());
    errors::CODES
        .into_iter()
        .fold(app, |app, code| app.error_page(code, errors::page))
}

/// Browsers keep a file, but ask each time whether it has changed: its address says nothing of its version.
fn files() -> Folder {
    Folder::new("static")
        .max_age(Duration::ZERO)
        .without_index()
}

/// Workers come through here too, but the notebook is for the server alone.
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
