//! Fuzz target for route patterns and the paths of requests.
//!
//! Invariant: a table finds the same route as its routes tried one by one in their order, and a URL built
//! from the found values leads to the same route with the same values.
use http::Method;

use crate::{Found, Params, Pattern, Place, Router};

/// Limits the routes of one table. Enough that some match the same paths.
const ROUTES_MAX: usize = 8;
const HERE: Place = Place { name: "route", file: file!(), line: line!() };

/// Searches paths. The lines before the first empty line are patterns, the others are paths.
pub fn route_path(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split('\n');
    let mut router = Router::new();
    for line in lines.by_ref().take_while(|line| !line.is_empty()).take(ROUTES_MAX) {
        if let Ok(pattern) = Pattern::parse(line) {
            assert_eq!(Pattern::parse(pattern.as_str()).map(|again| again.to_string()), Ok(pattern.to_string()));
            let _ = router.insert(&pattern, &[], line, HERE);
        }
    }
    let alone: Vec<_> = router.routes().map(|entry| (entry.pattern.clone(), table(&entry.pattern))).collect();
    for path in lines.take(16) {
        let one_by_one = alone.iter().find_map(|(pattern, alone)| Some((pattern, find(alone, path)?.1)));
        match (find(&router, path), one_by_one) {
            (None, None) => {}
            (Some((text, params)), Some((pattern, values))) => {
                assert_eq!((text, &params), (pattern.as_str(), &values), "{path}");
                leads_back(pattern, &params);
            }
            (all, one_by_one) => panic!("{path}: {all:?} of all, {one_by_one:?} one by one"),
        }
    }
}

fn table(pattern: &Pattern) -> Router<&str> {
    let mut router = Router::new();
    router.insert(pattern, &[], pattern.as_str(), HERE).expect("one route conflicts with none");
    router
}

fn find<'r>(router: &Router<&'r str>, path: &str) -> Option<(&'r str, Vec<(String, String)>)> {
    let Found::Route { value, params } = router.find(&Method::GET, path) else { return None };
    Some((value, values(&params, path)))
}

fn values(params: &Params, path: &str) -> Vec<(String, String)> {
    params.iter(path).map(|(name, value)| (name.to_owned(), value.into_owned())).collect()
}

fn leads_back(pattern: &Pattern, params: &[(String, String)]) {
    let borrowed: Vec<_> = params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    if let Ok(url) = pattern.url(&borrowed) {
        let (_, again) = find(&table(pattern), &url).unwrap_or_else(|| panic!("{url} leads nowhere"));
        assert_eq!(again, params, "{url}");
    }
}
