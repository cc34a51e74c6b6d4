//! `PIXIE_DUMP`: a program tells what it is made of and ends, before it takes a port or starts a worker.
//!
//! `PIXIE_DUMP=routes` prints the table of routes, `PIXIE_DUMP="match GET /users/7"` the routes that would answer that
//! request: one line of JSON on standard output. Being asked in the program itself, it cannot be out of date.
use std::env;

use http::Method;
use pixie_core::{Error, Found, Place, Result};
use serde_json::{Value, json};

use crate::compose::{Composed, Endpoint};

/// Returns what the environment asks for, if it asks.
pub(crate) fn asked(app: &Composed) -> Result<Option<String>> {
    env::var("PIXIE_DUMP").ok().map(|question| answer(app, &question)).transpose()
}

/// Answers a question with a line of JSON.
pub(crate) fn answer(app: &Composed, question: &str) -> Result<String> {
    let words: Vec<_> = question.split_whitespace().collect();
    match words[..] {
        ["routes"] => Ok(routes(app)),
        ["match", path] => matching(app, "GET", path),
        ["match", method, path] => matching(app, method, path),
        _ => {
            Err(Error::internal(format!("PIXIE_DUMP is `{question}`, but should be `routes` or `match METHOD /path`")))
        }
    }
}

fn routes(app: &Composed) -> String {
    let mut endpoints: Vec<_> = app.endpoints.iter().collect();
    endpoints.sort_by_key(|endpoint| (endpoint.route.path(), endpoint.route.methods()[0].to_string()));
    json!({ "routes": endpoints.into_iter().map(|endpoint| row(endpoint)).collect::<Vec<_>>() }).to_string()
}

fn matching(app: &Composed, method: &str, target: &str) -> Result<String> {
    let wrong = |_| Error::internal(format!("`{method}` is no HTTP method"));
    let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).map_err(wrong)?;
    let path = target.split(['?', '#']).next().unwrap_or(target);
    Ok(match app.router.find(&method, path) {
        Found::Route { value, .. } => json!({ "routes": [row(value)], "status": 200 }),
        Found::Options { allow } => json!({ "routes": [], "status": 204, "allow": allow.as_str() }),
        Found::MethodNotAllowed { allow } => json!({ "routes": [], "status": 405, "allow": allow.as_str() }),
        Found::BadPath => json!({ "routes": [], "status": 400 }),
        _ => json!({ "routes": [], "status": 404 }),
    }
    .to_string())
}

fn row(endpoint: &Endpoint) -> Value {
    let route = &endpoint.route;
    let Place { name, file, line } = route.place();
    json!({
        "methods": route.methods().iter().map(Method::as_str).collect::<Vec<_>>(),
        "path": route.path(),
        "kind": route.kind().as_str(),
        "pool": endpoint.pool.as_ref().map(|pool| pool.name()),
        "handler": name,
        "file": file,
        "line": line,
    })
}
