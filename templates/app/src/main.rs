//! The app, and its start.

mod accounts;
mod errors;
mod notebook;
mod notes;
mod primes;
mod welcome;

use std::{env, path::PathBuf, time::Duration};

use notebook::Notebook;
use pixie_web::{App, Folder, Result};

/// All routes with an attribute, the notebook that they share, the static files, and the error pages.
fn app(notebook: Notebook) -> App {
    App::collect()
        .state(notebook)
        .folder("/static", files())
        .error_pages(errors::page)
}

/// Browsers cache a file, but ask each time whether it has changed, because its address has no version.
fn files() -> Folder {
    Folder::new("static")
        .max_age(Duration::ZERO)
        .without_index()
}

/// Worker processes also run this function. Only the main process opens the notebook, before it is ready.
fn main() -> Result<()> {
    let file = env::var_os("NOTES_FILE").map_or_else(|| "data/notes.redb".into(), PathBuf::from);
    app(Notebook::at(file))
        .on_start(async |app| app.state::<Notebook>()?.check())
        .run()
}

#[cfg(test)]
mod tests;
