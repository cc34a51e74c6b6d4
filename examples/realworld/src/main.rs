//! The RealWorld API ("Conduit"): users, articles, comments, tags, on SQLite.
//!
//! `cargo run -p realworld`, then the lines of `README.md`. Look at `articles.rs` for handlers, `error.rs` for
//! errors, `auth.rs` for the extractor of the user, and `tests.rs`.
mod articles;
mod auth;
mod comments;
mod database;
mod error;
mod favorites;
mod profiles;
mod rules;
mod users;

use std::{env, path::PathBuf};

use auth::Tokens;
use database::Database;
use error::ErrorResponse;
use pixie_web::{App, Cors, OpenApi, Result, RouteType, Security};

/// Limits the handlers that run at the same time. SQLite has one writer, and each hash of a password takes
/// 19 MiB.
const THREADS: usize = 32;

/// Returns the app with all routes. The database is opened when the server starts, in the main process only.
fn app(file: PathBuf, secret: Option<&str>) -> Result<App> {
    let api = OpenApi::at("/openapi.json").docs("/docs").errors::<ErrorResponse>();
    let api = api.security("token", Security::InHeader("Authorization"));
    Ok(App::collect()
        .default_kind(RouteType::Thread)
        .threads(THREADS)
        .state(Tokens::new(secret)?)
        .on_start(async |app| app.state::<Tokens>()?.check(app.is_development()))
        .state_with(async move || Database::open(&file))
        .cors(Cors::any_origin())
        .openapi(api)
        .error_pages(error::page))
}

fn main() -> Result<()> {
    let file = env::var_os("REALWORLD_DATABASE").map_or_else(|| PathBuf::from("realworld.sqlite"), PathBuf::from);
    app(file, env::var("REALWORLD_SECRET").ok().as_deref())?.run()
}

#[cfg(test)]
mod tests;
