//! Cookies, read and written, against the tables of the IETF's working group and of other servers.

use crate::support::{table, text};
use pixie_core::{Cookie, Cookies, HeaderMap, HeaderValue, Response, header};
use serde_json::Value;

fn read(headers: &[&str]) -> Vec<(String, String)> {
    let value = |text: &&str| HeaderValue::from_bytes(text.as_bytes()).expect("it is a header's value");
    let headers: HeaderMap = headers.iter().map(|text| (header::COOKIE, value(text))).collect();
    Cookies::from_headers(&headers).iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Keeps the first of each name, as `Cookies::get` does, in the order of names.
fn firsts(mut pairs: Vec<(String, String)>) -> Vec<(String, String)> {
    pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
    pairs.dedup_by(|(later, _), (first, _)| later == first);
    pairs
}

fn object(pairs: &Value) -> Vec<(String, String)> {
    let pairs = pairs.as_object().expect("it is an object").iter();
    pairs.map(|(name, value)| (name.clone(), value.as_str().expect("it is text").to_owned())).collect()
}

fn list(pairs: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("it is text").to_owned();
    let pairs = pairs.as_array().map(Vec::as_slice).unwrap_or_default();
    pairs.iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
}

#[test]
fn what_browsers_send_by_the_working_groups_tests_is_read_as_they_mean_it() {
    let cases = table("cookies/http_state_cookie_headers.json");
    assert!(cases.len() > 100);
    for case in &cases {
        let header = text(case, "cookie_header").expect("a case has a header");
        assert_eq!(read(&[header]), list(&case["pairs"]), "{header:?}");
    }
}

#[test]
fn the_cases_of_jshttp_are_read_alike() {
    for case in table("cookies/jshttp_cookie.json") {
        let header = text(&case, "cookie").expect("a case has a header");
        assert_eq!(firsts(read(&[header])), firsts(object(&case["pairs"])), "{header:?}");
    }
}

/// Go takes the quotes off; RFC 6265bis, section 5.6, leaves them a part of the value, as browsers do.
#[test]
fn the_cases_of_go_are_read_alike_but_for_quotes() {
    for case in table("cookies/go_read_cookies.json").iter().filter(|case| case["filter"] == "") {
        let headers: Vec<_> = case["cookie_headers"].as_array().expect("it is a list").iter().collect();
        let headers: Vec<_> = headers.iter().map(|header| header.as_str().expect("it is text")).collect();
        let unquoted = |(name, value): (String, String)| (name, value.trim_matches('"').to_owned());
        let found: Vec<_> = read(&headers).into_iter().map(unquoted).collect();
        assert_eq!(found, list(&case["cookies"]), "{headers:?}");
    }
}

/// Werkzeug reads a quoted value to its closing quote, even over a `;`, with the escapes of Python. It also
/// accepts a name without a value. RFC 6265 does not allow either.
#[test]
fn the_cases_of_werkzeug_are_read_alike_but_for_quotes_and_bare_names() {
    for case in table("cookies/werkzeug_parse_cookie.json") {
        let header = text(&case, "cookie").expect("a case has a header");
        let found = read(&[header]);
        let all = |name: &str| -> Vec<_> {
            found
                .iter()
                .filter(|(known, _)| known == name)
                .map(|(_, value)| value.trim_matches('"').to_owned())
                .collect()
        };
        let rows = case.get("pairs_multi").or(case.get("pairs")).and_then(Value::as_object).expect("it is an object");
        for (name, expected) in rows {
            let expected: Vec<_> = match expected.as_array() {
                Some(values) => values.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
                None => vec![expected.as_str().expect("it is text").to_owned()],
            };
            if expected != [""] && !expected[0].contains(['"', ';', ',']) {
                assert_eq!(all(name), expected, "{name} of {header:?}");
            }
        }
    }
}

#[test]
fn the_headers_of_real_sites_are_read_without_loss() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/cookies/top_sites_cookie_headers.json");
    let sites: Value =
        serde_json::from_str(&std::fs::read_to_string(path).expect("it can be read")).expect("it is JSON");
    for (site, header) in sites.as_object().expect("it is an object") {
        let header = header.as_str().expect("it is text");
        let found = read(&[header]);
        assert_eq!(found.len(), header.split("; ").count(), "{site}");
        // Nothing in these headers is percent-encoded but what decodes to text.
        let kept = found.iter().all(|(name, value)| {
            header.contains(&format!("{name}=")) && (header.contains('%') || header.contains(value))
        });
        assert!(kept, "{site}");
    }
}

#[test]
fn several_headers_are_read_as_one_and_strange_bytes_hide_nothing() {
    assert_eq!(read(&["a=1; b=2", "c=3"]).len(), 3);
    let headers =
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_bytes(b"a=\xff; b=2").expect("it is a value"))]);
    assert_eq!(Cookies::from_headers(&headers).get("b"), Some("2"));
    assert_eq!(read(&["a=%ff"]), [("a".to_owned(), "%ff".to_owned())]);
}

#[test]
fn a_name_cannot_pretend_to_have_a_prefix() {
    assert!(read(&["%5F%5FHost-id=bad; __Host-id=good"]).contains(&("__Host-id".into(), "good".into())));
    let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static("%5F%5FHost-id=bad"))]);
    assert_eq!(Cookies::from_headers(&headers).get("__Host-id"), None);
}

fn written(cookie: Cookie<'_>) -> Option<String> {
    let response = Response::new("").cookie(cookie);
    let value = response.headers().get(header::SET_COOKIE).map(|value| value.to_str().expect("it is text").to_owned());
    assert_eq!(value.is_none(), response.status().is_server_error());
    value
}

#[test]
fn cookies_are_safe_by_default_and_as_said_otherwise() {
    let cases = [
        (Cookie::new("a", "1"), "a=1; HttpOnly; SameSite=Lax; Path=/"),
        (Cookie::build(("a", "1")).http_only(false).path("/x").build(), "a=1; SameSite=Lax; Path=/x"),
        (Cookie::build(("__Host-a", "1")).build(), "__Host-a=1; HttpOnly; SameSite=Lax; Secure; Path=/"),
        (
            Cookie::build(("__secure-a", "1")).path("/x").build(),
            "__secure-a=1; HttpOnly; SameSite=Lax; Secure; Path=/x",
        ),
        (Cookie::new("a", "ü; %1\"\r\n"), "a=%C3%BC%3B%20%251%22%0D%0A; HttpOnly; SameSite=Lax; Path=/"),
    ];
    for (cookie, expected) in cases {
        assert_eq!(written(cookie).as_deref(), Some(expected));
    }
    for refused in [
        Cookie::new("", "1"),
        Cookie::new("a b", "1"),
        Cookie::new("a=b", "1"),
        Cookie::new("a\r\nb", "1"),
        Cookie::build(("a", "1")).path("/;domain=x").build(),
        Cookie::build(("a", "1")).domain("x;secure").build(),
        Cookie::build(("__Host-a", "1")).domain("example.com").build(),
        Cookie::build(("__Host-a", "1")).path("/x").build(),
    ] {
        assert_eq!(written(refused.clone()), None, "{refused:?}");
    }
}

#[test]
fn a_value_comes_back_as_it_was_set() {
    for value in ["", "plain", "a b", " a ", "\"quoted\"", "1,2;3", "100%", "%41", "ü写真", "\\", "\0\t\r\n", "a=b"]
    {
        let set = written(Cookie::new("name", value)).expect("it can be sent");
        let sent = set.split(';').next().expect("it has a pair");
        assert_eq!(read(&[sent]), [("name".to_owned(), value.to_owned())], "{set}");
    }
}

/// Go quotes a value with a space or a comma, and drops invalid attributes. pixie encodes the value, and
/// refuses the attribute. Go leaves the defaults to the browser; pixie sets the path, `HttpOnly` and
/// `SameSite`.
#[test]
fn the_cookies_of_gos_table_are_written_with_the_same_meaning() {
    for case in table("cookies/go_write_set_cookies.json") {
        let (row, expected) = (&case["cookie"], text(&case, "set_cookie").expect("a case has a header"));
        let mut cookie = Cookie::new(text(row, "Name").unwrap_or_default(), text(row, "Value").unwrap_or_default());
        cookie.set_max_age(row["MaxAge"].as_i64().map(cookie::time::Duration::seconds));
        text(row, "Domain").into_iter().for_each(|domain| cookie.set_domain(domain.to_owned()));
        text(row, "Path").into_iter().for_each(|path| cookie.set_path(path.to_owned()));
        let Some(found) = written(cookie) else {
            assert!(expected.is_empty() || text(row, "Domain").is_some_and(|domain| domain.contains(';')), "{case}");
            continue;
        };
        let mut parts = expected.split("; ");
        let value = read(&[parts.next().expect("it has a pair")]);
        let unquoted = value.first().map(|(_, value)| value.trim_matches('"').to_owned());
        assert_eq!(read(&[&found]).first().map(|(_, value)| value.clone()), unquoted, "{case}");
        for attribute in parts.filter(|part| part.starts_with("Max-Age") || part.starts_with("Path")) {
            assert!(found.contains(attribute), "{found} should have {attribute}");
        }
    }
}

#[test]
fn a_removed_cookie_is_over_at_once() {
    let response = Response::new("")
        .cookies([("a", "1"), ("b", "2")])
        .remove_cookie("a")
        .remove_cookie(Cookie::build("__Host-b").build());
    let set: Vec<_> =
        response.headers().get_all(header::SET_COOKIE).iter().map(|value| value.to_str().expect("text")).collect();
    assert_eq!(set[..2], ["a=1; HttpOnly; SameSite=Lax; Path=/", "b=2; HttpOnly; SameSite=Lax; Path=/"]);
    let over = "Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT";
    assert_eq!(set[2], format!("a=; HttpOnly; SameSite=Lax; Path=/; {over}"));
    assert_eq!(set[3], format!("__Host-b=; HttpOnly; SameSite=Lax; Secure; Path=/; {over}"));
}
