//! The banner that an app prints when it starts to listen.
use std::{fmt::Write, net::SocketAddr};

use pixie_core::Route;

use crate::app::compose::Composed;

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
        let size = pool.size();
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
