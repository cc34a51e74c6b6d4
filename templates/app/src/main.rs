//! The app: what it is made of, and its start.

mod errors;
mod notes;
mod primes;

use std::time::Duration;

use pixie_web::{App, Folder, Result};

/// Every route that an attribute wrote, the notebook that they share, files, and the pages of errors.
fn app() -> App {
    let app = App::collect()
        .state(notes::Notebook::default())
        .folder("/static", files());
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

fn main() -> Result<()> {
    app().run()
}

#[cfg(test)]
mod tests;
