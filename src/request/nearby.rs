//! The routes of the app for the 404 page in development, nearest first.
//!
//! Two paths are near if their segments are alike: a wildcard is like any segment, and other segments differ by
//! the letters that have to be changed.
use http::Method;
use pixie_core::{Found, NearbyRoute};

use crate::table::Composed;

/// Limits the rows of the page. `pixie routes` shows all routes.
const ROWS: usize = 12;

/// Returns the routes that are nearest to a path, or nothing if a route has the path: then its handler
/// answered that something is missing.
pub(crate) fn nearby(app: &Composed, method: &Method, path: &str) -> Vec<NearbyRoute> {
    if !matches!(app.router.find(method, path), Found::NotFound) {
        return Vec::new();
    }
    let here = app.endpoints.iter().filter(|endpoint| endpoint.is_here()).map(|endpoint| &endpoint.route);
    let mut routes: Vec<_> = here.map(|route| (distance(route.path(), path), route)).collect();
    routes.sort_by(|(one, route), (other, next)| one.total_cmp(other).then_with(|| route.path().cmp(next.path())));
    let row = |route: &pixie_core::Route| {
        let methods: Vec<_> = route.methods().iter().map(|method| method.as_str()).collect();
        let place = route.place();
        let place = format!("{}:{}", place.file, place.line);
        NearbyRoute::new(methods.join(","), route.path(), route.kind().to_string(), place)
    };
    routes.into_iter().take(ROWS).map(|(_, route)| row(route)).collect()
}

/// Returns how far a path is from the path of a route: 0 if they match, up to 2 for each segment that differs,
/// and 1 for each segment that only one of them has.
fn distance(route: &str, path: &str) -> f64 {
    let (route, path): (Vec<_>, Vec<_>) = (segments(route).collect(), segments(path).collect());
    let shared: f64 = route.iter().zip(&path).map(|(one, other)| difference(one, other)).sum();
    shared + route.len().abs_diff(path.len()) as f64
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

fn difference(route: &str, segment: &str) -> f64 {
    if route.starts_with('<') || route.eq_ignore_ascii_case(segment) {
        return 0.0;
    }
    let [route, segment] = [route, segment].map(str::to_ascii_lowercase);
    let longest = route.chars().count().max(segment.chars().count());
    2.0 * pixie_grammar::distance(&route, &segment) as f64 / longest as f64
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn the_route_that_was_meant_is_the_nearest() {
        let routes = ["/", "/notes", "/notes/<id>", "/static/<file:path>", "/primes", "/users/<id>/posts"];
        for (path, expected) in [
            ("/note", "/notes"),
            ("/Notes", "/notes"),
            ("/nots/7", "/notes/<id>"),
            ("/prime", "/primes"),
            ("/user/7", "/users/<id>/posts"),
            ("/user/7/posts", "/users/<id>/posts"),
            ("/statik/style.css", "/static/<file:path>"),
        ] {
            let nearest = routes.iter().min_by(|one, other| distance(one, path).total_cmp(&distance(other, path)));
            assert_eq!(nearest, Some(&expected), "{path}");
        }
    }
}
