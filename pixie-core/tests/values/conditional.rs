//! Conditional requests: the tables of Go's file server and of jshttp/fresh, and RFC 9110, section 13.
use std::time::{Duration, SystemTime};

use pixie_core::{ETag, Extent, HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Validators, header};
use serde_json::Value;

const EARLY: &str = "Sat, 01 Jan 2000 00:00:00 GMT";
const LATE: &str = "Sat, 01 Jan 2000 01:00:00 GMT";

fn rows(json: &str) -> Vec<Value> {
    serde_json::from_str(json).expect("the table is JSON")
}

fn headers<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> HeaderMap {
    let pair = |(name, value): (&str, &str)| {
        (HeaderName::try_from(name).expect("a header name"), HeaderValue::try_from(value).expect("a header value"))
    };
    pairs.into_iter().map(pair).collect()
}

fn headers_of(row: &Value) -> HeaderMap {
    let pairs = row.as_object().into_iter().flatten();
    headers(pairs.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))))
}

/// The status of a GET for eight bytes with these validators.
fn status(validators: &HeaderMap, request: &HeaderMap) -> u16 {
    let mut response = Response::new("12345678");
    *response.headers_mut() = validators.clone();
    if let Err(error) = response.apply_conditions(&Method::GET, request) {
        return error.status().as_u16();
    }
    if response.status().as_u16() != 200 {
        return response.status().as_u16();
    }
    match Extent::of(&Method::GET, request, &Validators::of(validators), 8) {
        Extent::Part(_) => 206,
        Extent::Unsatisfiable => 416,
        _ => 200,
    }
}

#[test]
fn a_content_is_served_as_go_serves_it() {
    for row in rows(include_str!("../data/static/go_serve_content.json")) {
        let named = [("etag", &row["serve_etag"]), ("last-modified", &row["modtime"])];
        let texts = named.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?)));
        let validators = headers(texts.filter(|(_, value)| !value.is_empty()));
        let request = headers_of(&row["request_headers"]);
        assert_eq!(Some(u64::from(status(&validators, &request))), row["want_status"].as_u64(), "{row}");
    }
}

#[test]
fn a_fresh_copy_is_not_sent_again_as_fresh_decides() {
    for row in rows(include_str!("../data/static/jshttp_fresh_conditional.json")) {
        let request = headers_of(&row["request_headers"]);
        // There `no-cache` overrules the conditions; in RFC 9111 it speaks to caches, not to an origin
        // server.
        if request.contains_key(header::CACHE_CONTROL) {
            continue;
        }
        let status = status(&headers_of(&row["response_validators"]), &request);
        assert_eq!(status == 304, row["not_modified"].as_bool().expect("the table is complete"), "{row}");
    }
}

#[test]
fn only_the_three_forms_of_a_date_count() {
    let is_read = |date: &str| {
        let validators = headers([("last-modified", "Thu, 01 Jan 1970 00:00:00 GMT")]);
        status(&validators, &headers([("if-modified-since", date)])) == 304
    };
    assert!(is_read("Sun, 06 Nov 1994 08:49:37 GMT"));
    assert!(is_read("Sunday, 06-Nov-94 08:49:37 GMT"));
    assert!(is_read("Sun Nov  6 08:49:37 1994"));
    for row in rows(include_str!("../data/dates/http_state_dates.json")) {
        let date = row["test"].as_str().expect("the table is complete");
        // Cookies know more forms; of those in the table, only these two are dates of HTTP.
        let is_http = ["Wed, 09 Dec 2009 16:27:23 GMT", "Thursday, 01-Jan-70 00:00:00 GMT"].contains(&date);
        assert_eq!(is_read(date), is_http, "{date}");
    }
    for date in
        ["", "0", "Sun, 06 Nov 1994 08:49:37", "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 9999999 08:49:37 GMT", "é"]
    {
        assert!(!is_read(date), "{date}");
    }
}

#[test]
fn conditions_are_judged_in_the_order_of_the_rfc() {
    let validators = headers([("etag", "\"a\""), ("last-modified", EARLY)]);
    let check = |request: &[(&str, &str)], expected| {
        assert_eq!(status(&validators, &headers(request.iter().copied())), expected, "{request:?}");
    };
    // If-Match wins over If-Unmodified-Since, and is judged before If-None-Match.
    check(&[("if-match", "\"a\""), ("if-unmodified-since", "Fri, 31 Dec 1999 00:00:00 GMT")], 200);
    check(&[("if-match", "\"b\""), ("if-none-match", "\"a\"")], 412);
    check(&[("if-match", "\"a\""), ("if-none-match", "\"a\"")], 304);
    // If-None-Match wins over If-Modified-Since, whichever way it goes.
    check(&[("if-none-match", "\"b\""), ("if-modified-since", LATE)], 200);
    // Ranges come last.
    check(&[("if-none-match", "\"a\""), ("range", "bytes=0-1")], 304);
    check(&[("if-match", "\"b\""), ("range", "bytes=9-")], 412);
    check(&[("range", "bytes=9-"), ("if-range", "\"b\"")], 200);
    check(&[("range", "bytes=0-1"), ("if-range", EARLY)], 206);
    check(&[("range", "bytes=0-1"), ("if-range", LATE)], 200);
    check(&[("range", "bytes=0-1"), ("if-range", "nonsense")], 200);
}

#[test]
fn a_weak_tag_allows_no_range_not_even_by_date() {
    let validators = headers([("etag", "W/\"a\""), ("last-modified", EARLY)]);
    for condition in ["W/\"a\"", "\"a\"", EARLY] {
        assert_eq!(
            status(&validators, &headers([("range", "bytes=0-1"), ("if-range", condition)])),
            200,
            "{condition}"
        );
    }
}

#[test]
fn a_writing_method_fails_where_a_reading_one_is_not_modified() {
    let validators = Validators::new(ETag::strong("a"), None);
    let check = |method: Method, request: (&str, &str)| validators.check(&method, &headers([request]));
    assert_eq!(check(Method::HEAD, ("if-none-match", "\"a\"")), Some(StatusCode::NOT_MODIFIED));
    assert_eq!(check(Method::PUT, ("if-none-match", "*")), Some(StatusCode::PRECONDITION_FAILED));
    assert_eq!(check(Method::PUT, ("if-none-match", "\"b\"")), None);
    assert_eq!(check(Method::DELETE, ("if-match", "*")), None);
    assert_eq!(check(Method::PUT, ("if-modified-since", LATE)), None);
}

#[test]
fn a_304_keeps_what_steers_caches_and_drops_what_describes_the_body() {
    let mut response = Response::new("text").content_type("text/plain").etag("a").header("cache-control", "max-age=9");
    response = response.header("vary", "accept").header("set-cookie", "a=1").last_modified(SystemTime::UNIX_EPOCH);
    let request = headers([("if-none-match", "\"a\"")]);
    response.apply_conditions(&Method::GET, &request).expect("nothing failed");
    let mut names: Vec<_> = response.headers().keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["cache-control", "etag", "set-cookie", "vary"]);
    assert!(response.body().is_empty());
}

#[test]
fn other_answers_and_methods_are_left_alone() {
    let request = headers([("if-none-match", "*"), ("if-match", "\"b\"")]);
    let mut created = Response::new("text").etag("a").code(201);
    created.apply_conditions(&Method::GET, &request).expect("a 201 has no conditions");
    let mut posted = Response::new("text").etag("a");
    posted.apply_conditions(&Method::POST, &request).expect("a POST has been carried out");
    let mut plain = Response::new("text");
    plain.apply_conditions(&Method::GET, &request).expect("without a validator there is nothing to compare");
    assert_eq!([created, posted, plain].map(|response| response.status().as_u16()), [201, 200, 200]);
}

#[test]
fn a_412_tells_which_version_is_there() {
    let mut response = Response::new("text").etag("a");
    let error = response.apply_conditions(&Method::GET, &headers([("if-match", "\"b\"")])).expect_err("it has changed");
    assert_eq!(error.status().as_u16(), 412);
    assert_eq!(error.headers()["etag"], "\"a\"");
}

#[test]
fn tags_are_read_with_commas_and_without_sense() {
    let is_same = |list: &str| status(&headers([("etag", "\"a,b\"")]), &headers([("if-none-match", list)])) == 304;
    assert!(is_same("\"a,b\""));
    assert!(is_same("nonsense, \"x\" ,W/\"a,b\""));
    assert!(!is_same("\"a\", \"b\""));
    assert!(!is_same("\"a,b"));
    assert!(!is_same("a,b"));
    assert!(!is_same(""));
}

#[test]
fn a_tag_that_cannot_be_sent_is_an_error_of_the_app() {
    for text in ["\"quoted\"", "two words", "line\nbreak"] {
        assert_eq!(Response::new("").etag(text).status().as_u16(), 500, "{text}");
    }
    assert_eq!(Response::new("").etag("v1").headers()["etag"], "\"v1\"");
    assert_eq!(Response::new("").weak_etag("v1").headers()["etag"], "W/\"v1\"");
}

#[test]
fn the_bytes_make_the_tag() {
    let tag = |body: &'static str| Response::new(body).with_etag().headers().get("etag").cloned();
    assert_eq!(tag("one"), tag("one"));
    assert_ne!(tag("one"), tag("two"));
    assert_eq!(Response::new("one").etag("own").with_etag().headers()["etag"], "\"own\"");
    assert!(ETag::of(b"one").weakened().is_weak());
}

#[test]
fn times_that_http_cannot_write_are_left_out() {
    let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    let after = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40);
    for time in [before, after] {
        assert!(Response::new("").last_modified(time).headers().is_empty());
    }
}
