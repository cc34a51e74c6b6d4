//! Which paths are patterns, what is said about the others, and the URLs that patterns make.

use http::Method;
use pixie_core::{Found, Pattern, Place, Router};

/// A path, its parameters, and what comes of them.
type UrlCase = (&'static str, &'static [(&'static str, &'static str)], &'static str);

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).expect("a legal path")
}

#[test]
fn a_pattern_keeps_its_text_and_names() {
    let pattern = pattern("/users/<id:int>/v<minor>/<rest:path>");
    assert_eq!(pattern.as_str(), "/users/<id:int>/v<minor>/<rest:path>");
    assert_eq!(pattern.to_string(), pattern.as_str());
    assert_eq!(pattern.names().collect::<Vec<_>>(), ["id", "minor", "rest"]);
}

#[test]
fn a_mistake_is_told_with_its_place_and_its_remedy() {
    let cases = [
        ("", 0, "character 1: a path starts with `/`: write `/`"),
        ("users", 0, "character 1: a path starts with `/`: write `/users`"),
        ("<id>", 0, "character 1: a path starts with `/`: write `/<id>`"),
        ("/é/<id", 4, "character 4: `<` is not closed within its segment"),
        ("/<id/x>", 1, "character 2: `<` is not closed within its segment"),
        ("/<id<x>", 1, "character 2: `<` is not closed within its segment"),
        ("/id>", 3, "character 4: `>` has no `<` before it"),
        ("/<>", 1, "character 2: the wildcard has no name"),
        ("/<:int>", 1, "character 2: the wildcard has no name"),
        ("/<2nd>", 1, "character 2: `2nd` cannot name an argument"),
        ("/<user-id>", 1, "character 2: `user-id` cannot name an argument"),
        ("/<_>", 1, "character 2: `_` cannot name an argument"),
        ("/< id>", 1, "character 2: ` id` cannot name an argument"),
        ("/<a>/<a>", 5, "character 6: `a` is used twice"),
        (
            "/<a:number>",
            1,
            "character 2: there is no filter `number`: use `int`, `float`, `uuid` or `path`, or just `<a>`",
        ),
        ("/<int:a>", 1, "character 2: the name comes before the filter: write `<a:int>`"),
        ("/{id}", 1, "character 2: `{id}` would be literal text: write `<id>` for a wildcard, or `%7B`"),
        ("/a/v{id:int}.txt", 4, "character 5: `{id:int}` would be literal text: write `<id:int>`"),
        ("/{*rest}", 1, "character 2: `{*rest}` would be literal text: write `<rest:path>`"),
        ("/{}", 1, "character 2: `{}` would be literal text: write `<name>`"),
        ("/<a>/{b}", 5, "character 6: `{b}` would be literal text: write `<b>`"),
        ("/users/:id/posts", 7, "character 8: `:id` would be literal text: write `<id>` for a wildcard, or `%3A`"),
        ("/files/*", 7, "character 8: `*` would be literal text: write `<name:path>` for a wildcard, or `%2A`"),
        ("/files/*rest", 7, "character 8: `*rest` would be literal text: write `<rest:path>`"),
        ("/<a:>", 1, "character 2: there is no filter ``"),
        ("/<a:re:[a-z]+>", 1, "character 2: there is no filter `re:[a-z]+`"),
        ("/<a><b>", 4, "character 5: `<b>` touches the wildcard before it"),
        ("/<a:path>/x", 1, "character 2: `<a:path>` takes the rest of the path"),
        ("/x<a:path>", 2, "character 3: `<a:path>` takes the rest of the path"),
        ("/<a>-<b:path>", 5, "character 6: `<b:path>` takes the rest of the path"),
        ("/100%", 4, "character 5: this percent-encoding is not valid UTF-8 text: write `%25`"),
        ("/%ff", 1, "character 2: this percent-encoding is not valid UTF-8 text"),
        ("/a?b=1", 2, "character 3: a path holds no query"),
        ("/a#b", 2, "character 3: a path holds no fragment"),
        ("/a/../b", 0, "character 1: clients resolve the segment `..`"),
        ("/%2e", 0, "character 1: clients resolve the segment `.`"),
        ("/a\0", 2, "character 3: a path holds no NUL"),
    ];
    for (text, position, message) in cases {
        let error = Pattern::parse(text).expect_err(text);
        assert_eq!(error.position(), position, "{text}");
        let said = error.to_string();
        assert!(said.starts_with(&format!("the path `{text}` at {message}")), "{said}");
    }
}

#[test]
fn unusual_text_is_legal() {
    for text in [
        "/",
        "//",
        "/%7Bid%7D",
        "/{",
        "/}{",
        "/%2Arest",
        "/a*",
        "/%3Aid",
        "/a:b",
        "/<a>:b",
        "/:",
        "/a b",
        "/~x/@y",
        "/<é>",
        "/<_a1>",
        "/<a>/",
        "/(<a>)",
        "/a%2Fb",
    ] {
        assert!(Pattern::parse(text).is_ok(), "{text}");
    }
}

#[test]
fn a_url_leads_back_to_its_route_with_the_same_values() {
    let cases: &[UrlCase] = &[
        ("/", &[], "/"),
        ("/café/%7Bx%7D", &[], "/caf%C3%A9/%7Bx%7D"),
        ("/a%2Fb/%25", &[], "/a%2Fb/%25"),
        ("/u/<id:int>", &[("id", "-7")], "/u/-7"),
        ("/u/<name>", &[("name", "a/b?c#d%e f\"'<>\\é")], "/u/a%2Fb%3Fc%23d%25e%20f%22%27%3C%3E%5C%C3%A9"),
        ("/u/<name>", &[("name", "a-b.c_d~e!$&()*+,;=:@")], "/u/a-b.c_d~e!$&()*+,;=:@"),
        ("/u/<name>", &[("name", "...")], "/u/..."),
        ("/<name>.png", &[("name", ".")], "/..png"),
        ("/u/<name>", &[("name", "é.")], "/u/%C3%A9."),
        ("/<from>-<to>", &[("to", "b"), ("from", "a-a")], "/a-a-b"),
        ("/f/<rest:path>", &[("rest", "a b/c/")], "/f/a%20b/c/"),
        ("/<rest:path>", &[("rest", "/evil.example")], "/%2Fevil.example"),
        ("/f/<rest:path>", &[("rest", "/")], "/f/%2F"),
    ];
    for (text, params, expected) in cases {
        let pattern = pattern(text);
        let url = pattern.url(params).expect(text);
        assert_eq!(url, *expected);
        let mut router = Router::new();
        let place = Place { name: "handler", file: "src/app.rs", line: 1 };
        router.insert(&pattern, &[Method::GET], (), place).expect("no conflict");
        let Found::Route { params: found, .. } = router.find(&Method::GET, &url) else { panic!("{url} is not found") };
        for (name, value) in *params {
            assert_eq!(found.get(name, &url).as_deref(), Some(*value), "{url}");
        }
    }
}

#[test]
fn a_url_is_refused_with_the_name_of_the_parameter() {
    let cases: &[UrlCase] = &[
        ("/u/<id>", &[], "no URL for `/u/<id>`: `id` has no value"),
        ("/u/<id>", &[("id", "1"), ("page", "2")], "no URL for `/u/<id>`: it has no wildcard `page`"),
        ("/u/<id:int>", &[("id", "x")], "no URL for `/u/<id:int>`: `id` is \"x\", which is not a whole number"),
        ("/u/<id:float>", &[("id", "")], "no URL for `/u/<id:float>`: `id` is \"\", which is not a decimal number"),
        ("/u/<id:uuid>", &[("id", "7")], "no URL for `/u/<id:uuid>`: `id` is \"7\", which is not a UUID"),
        ("/u/<id>", &[("id", "")], "no URL for `/u/<id>`: `id` is \"\", which is not text that leads back"),
        ("/u/<id>", &[("id", "..")], "no URL for `/u/<id>`: `id` is \"..\", which is not text that leads back"),
        ("/u/<id>", &[("id", "a\0")], "no URL for `/u/<id>`: `id` is \"a\\0\", which is not text that leads back"),
        ("/.<id>", &[("id", ".")], "no URL for `/.<id>`: `id` is \".\", which is not text that leads back"),
        (
            "/<a>-<b>",
            &[("a", "1"), ("b", "2-3")],
            "no URL for `/<a>-<b>`: `a` is \"1\", which is not text that leads back",
        ),
        ("/<a>/<b>", &[("a", "1"), ("b", "")], "no URL for `/<a>/<b>`: `b` is \"\", which is not text that leads back"),
        (
            "/f/<p:path>",
            &[("p", "a/../b")],
            "no URL for `/f/<p:path>`: `p` is \"a/../b\", which is not text that leads back",
        ),
    ];
    for (text, params, expected) in cases {
        let said = pattern(text).url(params).expect_err(text).to_string();
        assert!(said.starts_with(expected), "{said}");
    }
}
