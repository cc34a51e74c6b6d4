//! Random tables and paths: the router does not panic, and finds the same route as a search of all routes.

use std::ops::Range;

use http::Method;
use pixie_core::{Found, Pattern, Place, RouteEntry, Router};

const PLACE: Place = Place { name: "handler", file: "tests", line: 1 };

/// Xorshift: the same numbers in every run, so that a failure can be repeated.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, range: Range<usize>) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        range.start + self.0 as usize % range.len()
    }

    fn pick<'p>(&mut self, pieces: &[&'p str]) -> &'p str {
        pieces[self.next(0..pieces.len())]
    }

    fn text(&mut self, pieces: &[&str], count: Range<usize>) -> String {
        let count = self.next(count);
        (0..count).map(|_| self.pick(pieces)).collect()
    }
}

fn table(routes: &[String]) -> Router<usize> {
    let mut router = Router::new();
    for (number, route) in routes.iter().enumerate() {
        if let Ok(pattern) = Pattern::parse(route) {
            // A conflict is one of the things that may come of a random table.
            let _ = router.insert(&pattern, &[Method::GET], number, PLACE);
        }
    }
    router
}

fn found(router: &Router<usize>, path: &str) -> Option<(usize, Vec<String>)> {
    match router.find(&Method::GET, path) {
        Found::Route { value, params } => {
            Some((*value, params.iter(path).map(|(_, value)| value.into_owned()).collect()))
        }
        _ => None,
    }
}

/// A table for each route alone, in the order of trial.
fn alone(router: &Router<usize>) -> Vec<Router<usize>> {
    let table_of = |entry: &RouteEntry<usize>| {
        let mut alone = Router::new();
        alone.insert(&entry.pattern, &[Method::GET], entry.value, PLACE).expect("one route is no conflict");
        alone
    };
    router.routes().map(table_of).collect()
}

#[test]
fn any_pattern_and_any_path_are_answered_without_a_panic() {
    let pieces =
        ["/", "<", ">", ":", "a", "é", "%", "%2", "%2F", "%C3%A9", "%00", "int", "path", ".", "{", "}", "*", "\0", " "];
    let mut numbers = Numbers(0x5EED);
    for _ in 0..3_000 {
        let routes: Vec<String> = (0..6).map(|_| format!("/{}", numbers.text(&pieces, 0..9))).collect();
        let router = table(&routes);
        for _ in 0..6 {
            let path = numbers.text(&pieces, 0..12);
            for method in [Method::GET, Method::POST, Method::OPTIONS] {
                if let Found::Route { params, .. } = router.find(&method, &path) {
                    assert_eq!(params.iter(&path).count(), params.len(), "{path} in {routes:?}");
                }
            }
        }
    }
}

#[test]
fn the_index_finds_what_trying_every_route_in_turn_finds() {
    let segments = [
        "/a",
        "/ab",
        "/b",
        "/",
        "/<n>",
        "/<n>",
        "/<n:int>",
        "/<n:float>",
        "/a<n>",
        "/<n>b",
        "/<n>.b",
        "/<n>.a.b",
        "/a<n>b",
        "/ab<n>",
        "/<n>-<m>",
        "/<n>-<m>.b",
        "/<n:int>-<m>",
        "/1",
    ];
    let letters = ["a", "a", "b", "b", "/", "/", "/", "-", ".", ".b", "1", "1", "é", "%2F"];
    let mut numbers = Numbers(0xF00D);
    let mut hits = 0;
    for _ in 0..1_500 {
        let count = numbers.next(1..14);
        let routes: Vec<String> = (0..count).map(|_| route(&mut numbers, &segments)).collect();
        let router = table(&routes);
        let alone = alone(&router);
        for _ in 0..40 {
            let path = format!("/{}", numbers.text(&letters, 0..8));
            let answer = found(&router, &path);
            hits += usize::from(answer.is_some());
            assert_eq!(answer, alone.iter().find_map(|router| found(router, &path)), "{path} in {routes:?}");
        }
    }
    assert!(hits > 5_000, "only {hits} paths were found: the test asks nothing");
}

/// A route of up to three segments with a number in each wildcard's name, and sometimes the rest of the path.
fn route(numbers: &mut Numbers, segments: &[&str]) -> String {
    let count = numbers.next(1..4);
    let mut route: String = (0..count)
        .map(|at| numbers.pick(segments).replace("<n", &format!("<n{at}")).replace("<m", &format!("<m{at}")))
        .collect();
    if numbers.next(0..5) == 0 {
        route.push_str("/<rest:path>");
    }
    route
}
