//! The API, and its start.

mod database;
mod tasks;

use std::{env, path::PathBuf};

use database::Database;
use pixie_web::{App, Cors, Result, RouteType};

/// The sites whose pages may call this API from a browser.
const SITES: [&str; 1] = ["http://localhost:5173"];

/// All routes with an attribute. They run on threads, because they use the database. It is opened before the
/// app is ready, in the main process only.
fn app(file: PathBuf) -> App {
    App::collect()
        .default_kind(RouteType::Thread)
        .state_with(async move || Database::open(&file))
        .cors(Cors::origins(SITES))
        .health("/health")
}

/// Worker processes run this function too.
fn main() -> Result<()> {
    let file = env::var_os("DATABASE").map_or_else(|| "data/app.sqlite".into(), PathBuf::from);
    app(file).run()
}

#[cfg(test)]
mod tests;
