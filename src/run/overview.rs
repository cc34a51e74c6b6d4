//! What a program prints about itself: the banner at its start, and what `PIXIE_DUMP` asks for.
//!
//! With `PIXIE_DUMP` the program prints one line of JSON and exits, before it opens a port or starts a
//! worker: `PIXIE_DUMP=routes` prints the table of routes, `PIXIE_DUMP="match GET /users/7"` the routes that
//! would answer that request, `PIXIE_DUMP=config` the settings, and `PIXIE_DUMP=deploy` what a load balancer
//! needs (`deployment.rs`), and `PIXIE_DUMP=openapi` the OpenAPI document. `PIXIE_PRINT_CONFIG=1` prints the settings as text. The output comes from the program itself, so it is never outdated.
use std::{
    fmt::Write,
    net::{Ipv4Addr, SocketAddr},
};

use http::Method;
use pixie_core::{Found, Place, Route};
use pixie_server::Address;
use serde_json::{Value, json};

use crate::{
    config::report,
    error::StartError,
    openapi,
    run::deployment,
    table::{Composed, Endpoint, pools::pool_of, roles, settings::variable},
};

/// Returns the banner: addresses, the table of routes with their kinds, and the pools.
pub(crate) fn banner(app: &Composed, sockets: &[(Address, &str)]) -> String {
    let mut text = format!("\n  pixie {}", env!("CARGO_PKG_VERSION"));
    text += if app.settings.development { "  development" } else { "" };
    if !app.roles.is_whole() {
        let _ = write!(text, "  role {}", app.roles);
    }
    text += "\n\n";
    for (address, scheme) in sockets.iter().filter(|(address, _)| !is_second(address, sockets)) {
        let _ = match address.ip_and_port() {
            Some(address) => writeln!(text, "  listening on {scheme}://{}", visible(address)),
            None => writeln!(text, "  listening on {address}"),
        };
    }
    text.push('\n');
    text += &routes(app.endpoints.iter().filter(|endpoint| endpoint.is_here()).map(|endpoint| &endpoint.route));
    for pool in app.pools.values().filter(|pool| app.roles.has(roles::of_pool(pool.name()))) {
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

/// Returns whether an address is the second one of `localhost`.
fn is_second(address: &Address, sockets: &[(Address, &str)]) -> bool {
    let Some(SocketAddr::V6(address)) = address.ip_and_port() else { return false };
    let first = SocketAddr::from((Ipv4Addr::LOCALHOST, address.port()));
    address.ip().is_loopback() && sockets.iter().any(|(other, _)| other.ip_and_port() == Some(first))
}

/// Shows the loopback address as `localhost`.
fn visible(address: SocketAddr) -> String {
    match address.ip().is_loopback() {
        true => format!("localhost:{}", address.port()),
        false => address.to_string(),
    }
}

/// Returns the output if `PIXIE_DUMP` or `PIXIE_PRINT_CONFIG` is set.
pub(crate) fn asked(app: &Composed) -> Result<Option<String>, StartError> {
    match variable("PIXIE_PRINT_CONFIG")?.as_deref() {
        None | Some("" | "0") => {}
        Some("1") => return Ok(Some(report::text(app).trim_end().to_owned())),
        Some("json") => return Ok(Some(config_as_json(app))),
        Some(other) => return Err(StartError::new(format!("invalid PIXIE_PRINT_CONFIG `{other}`: use `1` or `json`"))),
    }
    variable("PIXIE_DUMP")?.map(|question| answer(app, &question)).transpose()
}

/// Returns the answer to a question as one line of JSON.
pub(crate) fn answer(app: &Composed, question: &str) -> Result<String, StartError> {
    let words: Vec<_> = question.split_whitespace().collect();
    match words[..] {
        ["routes"] => Ok(routes_as_json(app)),
        ["config"] => Ok(config_as_json(app)),
        ["deploy"] => deployment::as_json(app),
        ["openapi"] => openapi::as_json(app),
        // For `pixie openapi`.
        ["openapi", "text"] => Ok(json!({ "text": openapi::as_text(app)? }).to_string()),
        ["match", path] => matching(app, "GET", path),
        ["match", method, path] => matching(app, method, path),
        _ => Err(StartError::new(format!(
            "invalid PIXIE_DUMP `{question}`: use `routes`, `config`, `deploy`, `openapi` or `match METHOD /path`"
        ))),
    }
}

fn routes_as_json(app: &Composed) -> String {
    let mut endpoints: Vec<_> = app.endpoints.iter().collect();
    endpoints.sort_by_key(|endpoint| (endpoint.route.path(), endpoint.route.methods()[0].to_string()));
    let rows: Vec<_> = endpoints.into_iter().map(|endpoint| row(endpoint)).collect();
    json!({ "role": app.roles.to_string(), "routes": rows }).to_string()
}

fn config_as_json(app: &Composed) -> String {
    let (role, settings, text) = (app.roles.to_string(), report::lines(app), report::text(app));
    json!({ "role": role, "settings": settings, "files": app.given.files, "text": text }).to_string()
}

fn matching(app: &Composed, method: &str, target: &str) -> Result<String, StartError> {
    let wrong = |_| StartError::new(format!("invalid HTTP method `{method}`"));
    let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).map_err(wrong)?;
    let path = target.split(['?', '#']).next().unwrap_or(target);
    let mut answer = match app.router.find(&method, path) {
        Found::Route { value, .. } if !value.is_here() => json!({ "routes": [row(value)], "status": 421 }),
        Found::Route { value, .. } => json!({ "routes": [row(value)], "status": 200 }),
        _ if !app.roles.has(roles::WEB) => json!({ "routes": [], "status": 421 }),
        Found::Options { allow } => json!({ "routes": [], "status": 204, "allow": allow.to_str().ok() }),
        Found::MethodNotAllowed { allow } => json!({ "routes": [], "status": 405, "allow": allow.to_str().ok() }),
        Found::BadPath => json!({ "routes": [], "status": 400 }),
        _ => json!({ "routes": [], "status": 404 }),
    };
    answer["role"] = app.roles.to_string().into();
    Ok(answer.to_string())
}

fn row(endpoint: &Endpoint) -> Value {
    let route = &endpoint.route;
    let Place { name, file, line } = route.place();
    json!({
        "methods": route.methods().iter().map(Method::as_str).collect::<Vec<_>>(),
        "path": route.path(),
        "kind": route.kind().as_str(),
        "pool": pool_of(route),
        "role": roles::of_route(route),
        "handler": name,
        "file": file,
        "line": line,
    })
}
