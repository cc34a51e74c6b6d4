//! Runs the look-ups on which other routers agree, and those of bottle (see `data/router/SOURCE.txt`).
//!
//! A route that our router refuses is listed here with the reason. A look-up that expects such a route must
//! not find one.

use std::collections::BTreeMap;

use http::Method;
use pixie_core::{Found, Pattern, Place, Router};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

const PLACE: Place = Place { name: "handler", file: "tests", line: 1 };

/// Routes of the consensus that ours refuses, with what it says.
const REFUSED: [(&str, &str); 4] = [
    // Elsewhere the second value hides the first.
    ("/static/{parametric}/static/{parametric}", "`parametric` is used twice"),
    ("/static/{parametric}/static/{parametric}/bulk", "`parametric` is used twice"),
    ("/{id}/{id}", "`id` is used twice"),
    // The same path as `/[...]/a .html`, which stands beside it; elsewhere one of them is never reached.
    ("/[...]/a%20.html", "two routes answer the same requests"),
];

/// The tables of bottle's tests that are written in our grammar, apart from the routes below.
/// The others use its old syntax (`/:name`), its methods ANY, or filters that a program adds.
const BOTTLE_TABLES: [&str; 6] =
    ["testAnonWildcard", "testFloatFilter", "testIntFilter", "testNewSyntax", "testPathFilter", "testUnicode"];

/// Routes of those tables that ours refuses, with what it says.
const BOTTLE_REFUSED: [(&str, &str); 8] = [
    ("/anon/<>", "the wildcard has no name"),
    ("/anonfilter/<:int>", "the wildcard has no name"),
    // Regular expressions are not in our grammar.
    ("/\\<its>/<:re:.+>/<test>/<name:re:[a-z]+>/", "the wildcard has no name"),
    ("/<:re:anon>/match", "the wildcard has no name"),
    ("<test>/", "a path starts with `/`"),
    ("<test>", "a path starts with `/`"),
    ("/<id:path>/:f", "takes the rest of the path"),
    // That test adds one route four times; the first of them stays.
    ("/object/<id:float>", "two routes answer the same requests"),
];

#[derive(Deserialize)]
struct Table<R, C> {
    source: String,
    routes: Vec<R>,
    cases: Vec<C>,
}

#[derive(Deserialize)]
struct Case {
    path: String,
    expect: Option<Match>,
}

#[derive(Deserialize)]
struct BottleRoute {
    pattern: String,
}

#[derive(Deserialize)]
struct BottleCase {
    path: String,
    registered: usize,
    expect: Option<Match>,
}

#[derive(Deserialize)]
struct Match {
    pattern: String,
    params: BTreeMap<String, Value>,
}

/// Adds a route whose value is the path in its own syntax, or says why not.
fn add(router: &mut Router<String>, ours: &str, theirs: &str) -> Result<(), String> {
    let pattern = Pattern::parse(ours).map_err(|error| error.to_string())?;
    router.insert(&pattern, &[Method::GET], theirs.to_owned(), PLACE).map_err(|error| error.to_string())
}

fn is_listed(listed: &[(&str, &str)], route: &str, error: &str) -> bool {
    listed.iter().any(|(known, reason)| *known == route && error.contains(reason))
}

/// Says what is wrong with the answer to a look-up.
fn mistake(router: &Router<String>, path: &str, expected: Option<&Match>) -> Option<String> {
    let expected = expected.filter(|found| router.routes().any(|entry| entry.value == found.pattern));
    let (found, params) = match router.find(&Method::GET, path) {
        Found::Route { value, params } => (Some(value), params),
        _ => (None, Default::default()),
    };
    let is_same = |(name, value): (&String, &Value)| {
        params.get(name, path).is_some_and(|found| match value.as_f64() {
            Some(number) => found.parse() == Ok(number),
            None => value == &*found,
        })
    };
    let is_right = found == expected.map(|expected| &expected.pattern)
        && expected.is_none_or(|expected| expected.params.iter().all(is_same) && expected.params.len() == params.len());
    (!is_right).then(|| format!("{path}: found {found:?} with {:?}", params.iter(path).collect::<Vec<_>>()))
}

/// `{name}` is `<name>` and `{*name}` is `<name:path>`.
fn our_syntax(route: &str) -> String {
    let segments = route.split('/').map(|segment| match segment.strip_prefix("{*") {
        Some(name) => format!("<{}:path>", name.trim_end_matches('}')),
        None => segment.replace('{', "<").replace('}', ">"),
    });
    segments.collect::<Vec<_>>().join("/")
}

fn read<R: DeserializeOwned, C: DeserializeOwned>(text: &str) -> Vec<Table<R, C>> {
    serde_json::from_str(text).expect("the tables are JSON")
}

#[test]
fn what_other_routers_agree_on_is_found() {
    let mut asked = 0;
    for table in read::<String, Case>(include_str!("../data/router/consensus.json")) {
        let mut router = Router::new();
        for route in &table.routes {
            if let Err(error) = add(&mut router, &our_syntax(route), route) {
                assert!(is_listed(&REFUSED, route, &error), "{}: {error}", table.source);
            }
        }
        for case in table.cases {
            asked += 1;
            assert_eq!(mistake(&router, &case.path, case.expect.as_ref()), None, "{}", table.source);
        }
    }
    assert_eq!(asked, 1015);
}

#[test]
fn bottles_filters_mean_the_same_here() {
    let mut asked = 0;
    for table in read::<BottleRoute, BottleCase>(include_str!("../data/router/bottle.json")) {
        if !BOTTLE_TABLES.iter().any(|name| table.source.ends_with(&format!("::{name}"))) {
            continue;
        }
        for case in &table.cases {
            let mut router = Router::new();
            for BottleRoute { pattern } in &table.routes[..case.registered] {
                if let Err(error) = add(&mut router, pattern, pattern) {
                    assert!(is_listed(&BOTTLE_REFUSED, pattern, &error), "{}: {error}", table.source);
                }
            }
            asked += 1;
            assert_eq!(mistake(&router, &case.path, case.expect.as_ref()), None, "{}", table.source);
        }
    }
    assert_eq!(asked, 23);
}
