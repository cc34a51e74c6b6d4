//! The app, and the limits of its worker processes.

mod errors;
mod report;

use std::time::Duration;

use pixie_web::{App, Folder, Pool, PoolConfig, Result, Sandbox};

/// All routes with an attribute, the pool for strangers' files, the static files, and the error pages.
fn app() -> App {
    App::collect()
        .pool(pool())
        .folder("/static", files())
        .status("/status")
        .error_pages(errors::page)
}

/// The worker processes that examine files. In the strict sandbox, a worker cannot open files or sockets
/// and cannot start programs; it can read the uploads of its own requests.
fn pool() -> PoolConfig {
    Pool::named("files")
        .memory("256MB")
        .sandbox(Sandbox::strict())
}

/// Browsers cache a file, but ask each time whether it has changed, because its address has no version.
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
