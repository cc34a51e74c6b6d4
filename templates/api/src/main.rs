//! The API, and its start.

mod database;
mod tasks;

use std::{env, path::PathBuf};

use database::Database;
use pixie_web::{App, Cors, OpenApi, Redirect, Result, RouteType, get};

/// The sites whose pages may call this API from a browser.
const SITES: [&str; 1] = ["http://localhost:5173"];

/// All routes with an attribute. They run on threads, because they use the database. It is opened before the
/// app is ready, in the main process only.
fn app(file: PathBuf) -> App {
    App::collect()
        .default_kind(RouteType::Thread)
        .state_with(async move || Database::open(&file))
        .cors(Cors::origins(SITES))
        .openapi(description())
        .health("/health")
}

/// The description of all routes below `/api`, for programs, and a page that shows it.
fn description() -> OpenApi {
    OpenApi::at("/openapi.json").docs("/docs").only("/api")
}

#[get("/", sync)]
fn index() -> Redirect {
    Redirect::to("/docs")
}

/// Worker processes run this function too.
fn main() -> Result<()> {
    let file = env::var_os("DATABASE").map_or_else(|| "data/app.sqlite".into(), PathBuf::from);
    app(file).run()
}

#[cfg(test)]
mod tests;
