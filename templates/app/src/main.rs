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
///
/// Only one program can have the notebook open. Under `pixie dev`, the new program opens it when the old one has
/// ended. Worker processes do not open it.
fn app(open: impl Fn() -> Result<Notebook> + Send + Sync + 'static) -> App {
    App::collect()
        .state_late(open)
        .folder("/static", files())
        .error_pages(errors::page)
}

/// Browsers cache a file, but ask each time whether it has changed, because its address has no version.
fn files() -> Folder {
    Folder::new("static")
        .max_age(Duration::ZERO)
        .without_index()
}

fn main() -> Result<()> {
    let file = env::var_os("NOTES_FILE").map_or_else(|| "data/notes.redb".into(), PathBuf::from);
    app(move || Notebook::open(&file)).run()
}

#[cfg(test)]
mod tests;
