//! Which route gets a request: `check` compares a table of routes with requests and their expected results.

use http::Method;
use pixie_core::{Found, Pattern, Place, Router};

fn place(line: u32) -> Place {
    Place { name: "handler", file: "src/app.rs", line }
}

/// Routes are written `"GET,POST /path"`; the value of each is its own text.
fn router(routes: &[&'static str]) -> Router<&'static str> {
    let mut router = Router::new();
    for (line, route) in (1..).zip(routes) {
        let (methods, path) = route.split_once(' ').expect("a route is `METHODS path`");
        let methods: Vec<Method> = methods.split(',').map(|name| name.parse().expect("a method")).collect();
        let pattern = Pattern::parse(path).expect("a legal path");
        router.insert(&pattern, &methods, *route, place(line)).expect("no conflict");
    }
    router
}

/// Answers `"GET /path -> GET /users/<id> id=7"`-style text for a request.
fn outcome(router: &Router<&'static str>, request: &str) -> String {
    let (method, path) = request.split_once(' ').expect("a request is `METHOD path`");
    match router.find(&method.parse().expect("a method"), path) {
        Found::Route { value, params } => {
            let values = params.iter(path).map(|(name, value)| format!(" {name}={value}"));
            format!("{value}{}", values.collect::<String>())
        }
        Found::MethodNotAllowed { allow } => format!("405 {}", allow.to_str().expect("it is ASCII")),
        Found::Options { allow } => format!("options {}", allow.to_str().expect("it is ASCII")),
        Found::BadPath => "400".to_owned(),
        Found::NotFound => "404".to_owned(),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check(routes: &[&'static str], requests: &[(&str, &str)]) {
    let forward = router(routes);
    let mut reversed = routes.to_vec();
    reversed.reverse();
    let backward = router(&reversed);
    for (request, expected) in requests {
        assert_eq!(outcome(&forward, request), *expected, "{request}");
        assert_eq!(outcome(&backward, request), *expected, "{request}, with the routes in reverse");
    }
}

#[test]
fn an_empty_table_finds_nothing() {
    check(&[], &[("GET /", "404"), ("OPTIONS *", "404"), ("GET ", "404"), ("GET /%zz", "400")]);
}

#[test]
fn options_of_all_paths_names_the_methods_of_all_routes() {
    check(
        &["GET /a", "POST /b/<id>", "OPTIONS /c"],
        &[("OPTIONS *", "options GET, HEAD, OPTIONS, POST"), ("GET *", "404"), ("OPTIONS **", "404")],
    );
}

#[test]
fn literal_text_beats_a_wildcard_and_a_segment_beats_the_rest() {
    check(
        &["GET /users/me", "GET /users/<id>", "GET /users/<id>/files", "GET /<rest:path>", "GET /users/<a>.png"],
        &[
            ("GET /users/me", "GET /users/me"),
            ("GET /users/men", "GET /users/<id> id=men"),
            ("GET /users/m", "GET /users/<id> id=m"),
            ("GET /users/me/files", "GET /users/<id>/files id=me"),
            ("GET /users/me/other", "GET /<rest:path> rest=users/me/other"),
            ("GET /users/x.png", "GET /users/<a>.png a=x"),
            ("GET /users/.png", "GET /users/<id> id=.png"),
            ("GET /users/", "GET /<rest:path> rest=users/"),
            ("GET /", "404"),
        ],
    );
}

#[test]
fn a_slash_at_the_end_makes_another_path() {
    check(
        &["GET /a", "GET /b/", "GET /<x>/"],
        &[
            ("GET /a", "GET /a"),
            ("GET /a/", "GET /<x>/ x=a"),
            ("GET /b", "404"),
            ("GET /b/", "GET /b/"),
            ("GET //", "404"),
        ],
    );
}

#[test]
fn a_wildcard_may_be_a_part_of_a_segment() {
    check(
        &[
            "GET /v<major:int>/info",
            "GET /<name>.gz",
            "GET /<name>.tar.gz",
            "GET /<from>-<to>",
            "GET /at/<lat:float>,<lon:float>",
            "GET /pre<x>",
            "GET /prefix<x>",
        ],
        &[
            ("GET /v12/info", "GET /v<major:int>/info major=12"),
            ("GET /vx/info", "404"),
            ("GET /a.gz", "GET /<name>.gz name=a"),
            ("GET /a.tar.gz", "GET /<name>.tar.gz name=a"),
            ("GET /x-y-z", "GET /<from>-<to> from=x-y to=z"),
            ("GET /x--", "GET /<from>-<to> from=x to=-"),
            ("GET /-y", "404"),
            ("GET /at/-1.5,2", "GET /at/<lat:float>,<lon:float> lat=-1.5 lon=2"),
            ("GET /at/1,2,3", "404"),
            ("GET /preamble", "GET /pre<x> x=amble"),
            ("GET /prefixed", "GET /prefix<x> x=ed"),
            ("GET /prefix", "GET /pre<x> x=fix"),
        ],
    );
}

#[test]
fn the_narrower_filter_is_tried_first() {
    check(
        &["GET /u/<id:int>", "GET /u/<amount:float>", "GET /u/<name>", "GET /u/<key:uuid>"],
        &[
            ("GET /u/7", "GET /u/<id:int> id=7"),
            ("GET /u/-7", "GET /u/<id:int> id=-7"),
            ("GET /u/+7", "GET /u/<id:int> id=+7"),
            ("GET /u/7.5", "GET /u/<amount:float> amount=7.5"),
            ("GET /u/-.5", "GET /u/<amount:float> amount=-.5"),
            ("GET /u/7.5.1", "GET /u/<name> name=7.5.1"),
            ("GET /u/-", "GET /u/<name> name=-"),
            ("GET /u/.", "GET /u/<name> name=."),
            ("GET /u/1e5", "GET /u/<name> name=1e5"),
            ("GET /u/\u{661}", "GET /u/<name> name=\u{661}"),
            (
                "GET /u/67e55044-10b1-426f-9247-bb680e5fe0c8",
                "GET /u/<key:uuid> key=67e55044-10b1-426f-9247-bb680e5fe0c8",
            ),
            ("GET /u/67e5504410b1426f9247bb680e5fe0c8", "GET /u/<name> name=67e5504410b1426f9247bb680e5fe0c8"),
        ],
    );
}

#[test]
fn a_refusing_filter_leads_to_the_next_shape_that_fits() {
    check(
        &["GET /files/<id:int>/raw", "GET /files/<name>/<rest:path>", "GET /<rest:path>", "GET /only/<id:int>"],
        &[
            ("GET /files/7/raw", "GET /files/<id:int>/raw id=7"),
            ("GET /files/x/raw", "GET /files/<name>/<rest:path> name=x rest=raw"),
            ("GET /only/x", "GET /<rest:path> rest=only/x"),
        ],
    );
    check(&["GET /u/<id:int>"], &[("GET /u/x", "404"), ("POST /u/x", "404"), ("OPTIONS /u/x", "404")]);
}

#[test]
fn a_head_is_answered_by_the_route_for_get_unless_it_has_its_own() {
    check(
        &["GET /a", "GET /b", "HEAD /b", "POST /c"],
        &[("HEAD /a", "GET /a"), ("HEAD /b", "HEAD /b"), ("HEAD /c", "405 OPTIONS, POST"), ("HEAD /d", "404")],
    );
}

#[test]
fn a_wrong_method_is_told_which_ones_are_there() {
    check(
        &["GET /a", "PUT,DELETE /a", "PURGE /b", "GET /c/<id:int>", "POST /c/<name>"],
        &[
            ("POST /a", "405 DELETE, GET, HEAD, OPTIONS, PUT"),
            ("GET /b", "405 OPTIONS, PURGE"),
            ("PURGE /b", "PURGE /b"),
            ("purge /b", "405 OPTIONS, PURGE"),
            ("PUT /c/5", "405 GET, HEAD, OPTIONS, POST"),
            ("PUT /c/x", "405 OPTIONS, POST"),
            ("POST /c/5", "POST /c/<name> name=5"),
        ],
    );
}

#[test]
fn a_less_specific_route_answers_the_method_that_the_specific_one_does_not_take() {
    check(
        &["GET /users/me", "DELETE /users/<id>", "OPTIONS /<rest:path>"],
        &[
            ("DELETE /users/me", "DELETE /users/<id> id=me"),
            ("PUT /users/me", "405 DELETE, GET, HEAD, OPTIONS"),
            ("OPTIONS /users/me", "OPTIONS /<rest:path> rest=users/me"),
        ],
    );
}

#[test]
fn options_is_answered_unless_a_route_takes_it() {
    check(
        &["GET /a", "POST /a", "OPTIONS /b", "GET /b"],
        &[("OPTIONS /a", "options GET, HEAD, OPTIONS, POST"), ("OPTIONS /b", "OPTIONS /b"), ("OPTIONS /c", "404")],
    );
}

#[test]
fn a_route_without_methods_is_one_for_get() {
    let mut router = Router::new();
    let pattern = Pattern::parse("/a").expect("a legal path");
    router.insert(&pattern, &[], "it", place(1)).expect("no conflict");
    assert_eq!(outcome(&router, "HEAD /a"), "it");
    assert_eq!(outcome(&router, "POST /a"), "405 GET, HEAD, OPTIONS");
}

#[test]
fn percent_encoding_is_decoded_once_and_an_encoded_slash_does_not_divide() {
    check(
        &[
            "GET /<a>",
            "GET /<a>/<b>",
            "GET /café",
            "GET /in a row",
            "GET /x%2Fy",
            "GET /%7Bbraces%7D",
            "GET /%3Cb%3E",
            "GET /f/<p:path>",
        ],
        &[
            ("GET /a%2Fb", "GET /<a> a=a/b"),
            ("GET /a%2fb/c", "GET /<a>/<b> a=a/b b=c"),
            ("GET /%61%20b", "GET /<a> a=a b"),
            ("GET /100%25", "GET /<a> a=100%"),
            ("GET /%2525", "GET /<a> a=%25"),
            ("GET /%252F", "GET /<a> a=%2F"),
            ("GET /caf%C3%A9", "GET /café"),
            ("GET /caf%c3%a9", "GET /café"),
            ("GET /café", "GET /café"),
            ("GET /in%20a%20row", "GET /in a row"),
            ("GET /x%2fy", "GET /x%2Fy"),
            ("GET /{braces}", "GET /%7Bbraces%7D"),
            ("GET /%7Bbraces%7D", "GET /%7Bbraces%7D"),
            ("GET /%3cb%3E", "GET /%3Cb%3E"),
            ("GET /%3Ci%3E", "GET /<a> a=<i>"),
            ("GET /f/a%2Fb/c%20d", "GET /f/<p:path> p=a/b/c d"),
            ("GET /a+b", "GET /<a> a=a+b"),
            ("GET /%3F", "GET /<a> a=?"),
        ],
    );
}

#[test]
fn filters_see_the_decoded_value() {
    check(&["GET /<id:int>"], &[("GET /%37", "GET /<id:int> id=7"), ("GET /%2F", "404"), ("GET /7%00", "400")]);
}

#[test]
fn a_broken_encoding_is_a_bad_path() {
    let broken = ["/%", "/%4", "/%zz", "/%4g", "/a%", "/%ff", "/%C3", "/%C3%28", "/%00", "/\0", "/%ED%A0%80"];
    let requests: Vec<String> = broken.iter().map(|path| format!("GET {path}")).collect();
    let expected: Vec<(&str, &str)> = requests.iter().map(|request| (request.as_str(), "400")).collect();
    check(&["GET /<a>", "GET /<rest:path>"], &expected);
}

#[test]
fn more_wildcards_than_fit_inline_are_found() {
    check(
        &["GET /<a>/<b>/<c>/<d>/<e>/<f>", "GET /<a>/<b>/<c>/<d>/<e:int>/x"],
        &[
            ("GET /1/2/3/4/5/6", "GET /<a>/<b>/<c>/<d>/<e>/<f> a=1 b=2 c=3 d=4 e=5 f=6"),
            ("GET /1/2/3/4/y/x", "GET /<a>/<b>/<c>/<d>/<e>/<f> a=1 b=2 c=3 d=4 e=y f=x"),
            ("GET /1/2/3/4/%35/%36", "GET /<a>/<b>/<c>/<d>/<e>/<f> a=1 b=2 c=3 d=4 e=5 f=6"),
        ],
    );
}

#[test]
fn a_look_up_allocates_nothing_up_to_four_wildcards() {
    let router =
        router(&["GET /a", "POST /a", "GET /<b>", "GET /n/<id:int>", "GET /<a>/<b>/<c>/<d>", "GET /f/<rest:path>"]);
    let look_up = |path: &str| {
        let found = allocation_counter::measure(|| match router.find(&Method::GET, path) {
            Found::Route { params, .. } => assert!(params.iter(path).all(|(_, value)| !value.is_empty())),
            _ => assert_eq!(path, "/none/of/them"),
        });
        found.count_total
    };
    look_up("/a");
    for path in ["/a", "/b", "/n/7", "/1/2/3/4", "/f/a/b/c", "/none/of/them"] {
        assert_eq!(look_up(path), 0, "{path}");
    }
}

#[test]
fn params_answer_only_for_names_that_are_there() {
    let router = router(&["GET /<a>/<b>", "GET /"]);
    let Found::Route { params, .. } = router.find(&Method::GET, "/1/2") else { panic!("no route") };
    assert_eq!((params.len(), params.is_empty()), (2, false));
    assert_eq!(params.get("b", "/1/2").as_deref(), Some("2"));
    assert_eq!(params.get("c", "/1/2"), None);
    assert_eq!(params.get("b", "/"), None, "another path than the one that was searched for");
    let Found::Route { params, .. } = router.find(&Method::GET, "/") else { panic!("no route") };
    assert_eq!((params.len(), params.is_empty()), (0, true));
}

#[test]
fn two_routes_for_the_same_requests_are_refused_with_both_places() {
    let pairs = [
        ("/u/<id>", "/u/<name>"),
        ("/u/<id:int>", "/u/<n:int>"),
        ("/<rest:path>", "/<all:path>"),
        ("/a b", "/a%20b"),
        ("/x%2fy", "/x%2Fy"),
        ("/<a>-<b>", "/<c>-<d>"),
    ];
    for (first, second) in pairs {
        let mut router = Router::new();
        let methods = [Method::POST, Method::GET];
        let there = Place { name: "other", file: "src/b.rs", line: 9 };
        let parse = |path| Pattern::parse(path).expect("a legal path");
        router.insert(&parse(first), &methods, 1, place(3)).expect("the first route is no conflict");
        router.insert(&parse(second), &[Method::PUT], 2, there).expect("another method is no conflict");
        let conflict = router.insert(&parse(second), &[Method::GET], 3, there).expect_err("a conflict").to_string();
        let expected = format!(
            "two routes answer the same requests: GET {first} of `handler` (src/app.rs:3) and GET {second} of `other` \
             (src/b.rs:9); give one of them another path or method"
        );
        assert_eq!(conflict, expected);
        assert_eq!(router.routes().count(), 2, "the refused route is not in the table");
    }
}

#[test]
fn a_route_added_after_a_look_up_is_found() {
    let mut router = router(&["GET /<a>"]);
    assert_eq!(outcome(&router, "GET /b"), "GET /<a> a=b");
    let pattern = Pattern::parse("/b").expect("a legal path");
    router.insert(&pattern, &[Method::GET], "new", place(2)).expect("no conflict");
    assert_eq!(outcome(&router, "GET /b"), "new");
    assert_eq!(outcome(&router, "GET /c"), "GET /<a> a=c");
}
