//! What a program prints about itself: the banner at its start, and what `PIXIE_DUMP` asks for.
//!
//! With `PIXIE_DUMP` the program prints one line of JSON and exits, before it opens a port or starts a
//! worker: `PIXIE_DUMP=routes` prints the table of routes, `PIXIE_DUMP="match GET /users/7"` the routes that
//! would answer that request. The output comes from the program itself, so it is never outdated.
use std::{env, fmt::Write, net::SocketAddr};

use http::Method;
use pixie_core::{Found, Place, Route};
use serde_json::{Value, json};

use crate::{
    error::StartError,
    table::{Composed, Endpoint, pools::PoolSlot},
};

/// Returns the banner: addresses, the table of routes with their kinds, and the pools.
pub(crate) fn banner(app: &Composed, addresses: &[SocketAddr]) -> String {
    let mut text = format!("\n  pixie {}", env!("CARGO_PKG_VERSION"));
    text += if app.settings.development { "  development\n\n" } else { "\n\n" };
    for address in addresses.iter().filter(|address| address.is_ipv4() || addresses.len() == 1) {
        let _ = writeln!(text, "  listening on http://{}", visible(*address));
    }
    text.push('\n');
    text += &routes(app.endpoints.iter().map(|endpoint| &endpoint.route));
    for pool in app.pools.values() {
        let size = pool.config.size;
        let what = match (size.min, size.max) {
            (_, 0) => "no workers: its routes run on threads of this process, where nothing can be killed".into(),
            (1, 1) => "1 worker process".into(),
            (min, max) if min == max => format!("{max} worker processes"),
            (0, max) => format!("up to {max} worker processes, on demand"),
            (min, max) => format!("{min} to {max} worker processes"),
        };
        let _ = writeln!(text, "\n  pool {}: {what}", pool.name());
    }
    text
}

/// Returns the table of routes: methods, path, kind, handler and place.
fn routes<'r>(routes: impl Iterator<Item = &'r Route>) -> String {
    let row = |route: &Route| {
        let methods: Vec<_> = route.methods().iter().map(|method| method.as_str()).collect();
        let place = route.place();
        [
            methods.join(","),
            route.path().to_owned(),
            route.kind().to_string(),
            place.name.to_owned(),
            format!("{}:{}", place.file, place.line),
        ]
    };
    let mut rows: Vec<_> = routes.map(row).collect();
    rows.sort_by(|one, other| one[1].cmp(&other[1]).then_with(|| one[0].cmp(&other[0])));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 5] = std::array::from_fn(width);
    let mut table = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        let _ = writeln!(table, "  {}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    table
}

/// Shows the loopback address as `localhost`.
fn visible(address: SocketAddr) -> String {
    match address.ip().is_loopback() {
        true => format!("localhost:{}", address.port()),
        false => address.to_string(),
    }
}

/// Returns the output if `PIXIE_DUMP` is set.
pub(crate) fn asked(app: &Composed) -> Result<Option<String>, StartError> {
    env::var("PIXIE_DUMP").ok().map(|question| answer(app, &question)).transpose()
}

/// Returns the answer to a question as one line of JSON.
pub(crate) fn answer(app: &Composed, question: &str) -> Result<String, StartError> {
    let words: Vec<_> = question.split_whitespace().collect();
    match words[..] {
        ["routes"] => Ok(routes_as_json(app)),
        ["match", path] => matching(app, "GET", path),
        ["match", method, path] => matching(app, method, path),
        _ => Err(StartError::new(format!("invalid PIXIE_DUMP `{question}`: use `routes` or `match METHOD /path`"))),
    }
}

fn routes_as_json(app: &Composed) -> String {
    let mut endpoints: Vec<_> = app.endpoints.iter().collect();
    endpoints.sort_by_key(|endpoint| (endpoint.route.path(), endpoint.route.methods()[0].to_string()));
    json!({ "routes": endpoints.into_iter().map(|endpoint| row(endpoint)).collect::<Vec<_>>() }).to_string()
}

fn matching(app: &Composed, method: &str, target: &str) -> Result<String, StartError> {
    let wrong = |_| StartError::new(format!("invalid HTTP method `{method}`"));
    let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).map_err(wrong)?;
    let path = target.split(['?', '#']).next().unwrap_or(target);
    Ok(match app.router.find(&method, path) {
        Found::Route { value, .. } => json!({ "routes": [row(value)], "status": 200 }),
        Found::Options { allow } => json!({ "routes": [], "status": 204, "allow": allow.to_str().ok() }),
        Found::MethodNotAllowed { allow } => json!({ "routes": [], "status": 405, "allow": allow.to_str().ok() }),
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
        "pool": endpoint.pool().map(PoolSlot::name),
        "handler": name,
        "file": file,
        "line": line,
    })
}
