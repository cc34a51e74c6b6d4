//! `PIXIE_DUMP`: the program prints information about itself and exits, before it opens a port or starts a
//! worker.
//!
//! `PIXIE_DUMP=routes` prints the table of routes. `PIXIE_DUMP="match GET /users/7"` prints the routes that
//! would answer that request. The output is one line of JSON. It comes from the program itself, so it is
//! never outdated.
use std::env;

use http::Method;
use pixie_core::{Error, Found, Place, Result};
use serde_json::{Value, json};

use crate::app::compose::{Composed, Endpoint};

/// Returns the output if `PIXIE_DUMP` is set.
pub(crate) fn asked(app: &Composed) -> Result<Option<String>> {
    env::var("PIXIE_DUMP").ok().map(|question| answer(app, &question)).transpose()
}

/// Returns the answer to a question as one line of JSON.
pub(crate) fn answer(app: &Composed, question: &str) -> Result<String> {
    let words: Vec<_> = question.split_whitespace().collect();
    match words[..] {
        ["routes"] => Ok(routes(app)),
        ["match", path] => matching(app, "GET", path),
        ["match", method, path] => matching(app, method, path),
        _ => Err(Error::internal(format!("invalid PIXIE_DUMP `{question}`: use `routes` or `match METHOD /path`"))),
    }
}

fn routes(app: &Composed) -> String {
    let mut endpoints: Vec<_> = app.endpoints.iter().collect();
    endpoints.sort_by_key(|endpoint| (endpoint.route.path(), endpoint.route.methods()[0].to_string()));
    json!({ "routes": endpoints.into_iter().map(|endpoint| row(endpoint)).collect::<Vec<_>>() }).to_string()
}

fn matching(app: &Composed, method: &str, target: &str) -> Result<String> {
    let wrong = |_| Error::internal(format!("invalid HTTP method `{method}`"));
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
