//! Ranges by the tables of Go's file server, and where this server decides otherwise.
use http::HeaderMap;
use serde_json::Value;

use super::*;

fn extent(range: &str, length: u64) -> Extent {
    let mut request = HeaderMap::new();
    request.insert(header::RANGE, range.parse().expect("a header value"));
    Extent::of(&Method::GET, &request, &Validators::default(), length)
}

/// What this server answers where Go answers with these parts: with one part, or with the whole instead of
/// several.
fn granted(parts: &[(u64, u64)]) -> Extent {
    match *parts {
        [(start, end)] => Extent::Part(start..end),
        _ => Extent::Whole,
    }
}

fn has_several(range: &str) -> bool {
    range.split(',').filter(|item| !item.trim().is_empty()).count() > 1
}

fn rows(json: &str) -> Vec<Value> {
    serde_json::from_str(json).expect("the table is JSON")
}

fn pairs(row: &Value, name: &str) -> Option<Vec<(u64, u64)>> {
    let pair = |pair: &Value| Some((pair[0].as_u64()?, pair[1].as_u64()?));
    row[name].as_array().map(|pairs| pairs.iter().filter_map(pair).collect())
}

#[test]
fn the_grammar_is_read_as_go_reads_it() {
    for row in rows(include_str!("../../../tests/data/static/go_parse_range.json")) {
        let (range, length) = (
            row["range"].as_str().expect("the table is complete"),
            row["size"].as_u64().expect("the table is complete"),
        );
        let found = match parse(range, length) {
            Some(Extent::Part(part)) => Some(vec![(part.start, part.end - part.start)]),
            _ => None,
        };
        let expected = pairs(&row, "start_len").filter(|_| !has_several(range));
        assert_eq!(found, expected, "{range}");
    }
}

#[test]
fn one_part_is_granted_as_go_grants_it_and_several_get_the_whole() {
    for row in rows(include_str!("../../../tests/data/static/go_serve_file_range.json")) {
        let range = row["range"].as_str().expect("the table is complete");
        let expected = match row["status"].as_u64().expect("the table is complete") {
            200 => Extent::Whole,
            416 => Extent::Unsatisfiable,
            _ => granted(&pairs(&row, "start_end_exclusive").expect("the table is complete")),
        };
        assert_eq!(extent(range, 11), expected, "{range}");
    }
}

#[test]
fn numbers_of_any_length_lie_behind_the_end() {
    let huge = "99999999999999999999999999";
    assert_eq!(extent(&format!("bytes=2-{huge}"), 10), Extent::Part(2..10));
    assert_eq!(extent(&format!("bytes=-{huge}"), 10), Extent::Part(0..10));
    assert_eq!(extent(&format!("bytes={huge}-"), 10), Extent::Unsatisfiable);
    assert_eq!(extent(&format!("bytes=0-{}", u64::MAX), u64::MAX), Extent::Part(0..u64::MAX));
}

#[test]
fn what_breaks_the_grammar_is_not_followed() {
    for range in [
        "bytes= 0-9",
        "bytes =0-9",
        "bytes=0 - 9",
        "bytes=0- 9",
        "bytes=- 9",
        "bytes=+1-2",
        "bytes=1-+2",
        "bytes=2-1",
        "bytes=0-1,x",
        "bytes",
        "bytes=",
        "bytes=-",
        "lines=0-1",
        "=0-1",
    ] {
        assert_eq!(extent(range, 10), Extent::Whole, "{range}");
    }
    assert_eq!(extent("Bytes=0-1", 10), Extent::Part(0..2), "the unit has no case");
}

#[test]
fn of_an_empty_file_the_end_is_the_whole_and_a_place_is_behind_it() {
    assert_eq!(extent("bytes=-5", 0), Extent::Whole);
    assert_eq!(extent("bytes=-0", 0), Extent::Unsatisfiable);
    assert_eq!(extent("bytes=0-", 0), Extent::Unsatisfiable);
    assert_eq!(extent("bytes=-0", 10), Extent::Unsatisfiable);
}

#[test]
fn several_ranges_get_the_whole() {
    for range in ["bytes=0-5,5-6", "bytes=4-6,0-9", "bytes=0-1,2-3", "bytes=0-1,100-", "bytes=100-,200-"] {
        assert_eq!(extent(range, 10), Extent::Whole, "{range}");
    }
    assert_eq!(extent("bytes=,0-1, ,", 10), Extent::Part(0..2), "empty items do not count");
}

#[test]
fn the_head_of_a_part_names_its_place() {
    let mut response = Response::new("").content_type("text/plain");
    response.set_part(&(2..5), 10);
    assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(response.headers()["content-range"], "bytes 2-4/10");
    assert_eq!(response.headers()["content-type"], "text/plain");
}

#[test]
fn only_one_range_line_of_a_get_is_followed() {
    let mut request = HeaderMap::new();
    request.insert(header::RANGE, HeaderValue::from_static("bytes=0-1"));
    assert_eq!(Extent::of(&Method::HEAD, &request, &Validators::default(), 10), Extent::Whole);
    request.append(header::RANGE, HeaderValue::from_static("bytes=2-3"));
    assert_eq!(Extent::of(&Method::GET, &request, &Validators::default(), 10), Extent::Whole);
}
