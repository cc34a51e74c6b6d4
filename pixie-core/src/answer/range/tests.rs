//! Ranges by the tables of Go's file server, and where this server decides otherwise.
use http::HeaderMap;
use serde_json::Value;

use super::*;

fn extent(range: &str, length: u64) -> Extent {
    let mut request = HeaderMap::new();
    request.insert(header::RANGE, range.parse().expect("a header value"));
    Extent::of(&Method::GET, &request, &Validators::default(), length)
}

fn part(range: Range<u64>) -> Extent {
    Extent::Parts([range].to_vec())
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
        let found = parse(range).map(|specs| satisfiable(&specs, length)).filter(|parts| !parts.is_empty());
        let found = found.map(|parts| parts.iter().map(|part| (part.start, part.end - part.start)).collect());
        assert_eq!(found, pairs(&row, "start_len"), "{range}");
    }
}

#[test]
fn a_file_is_served_in_parts_as_go_serves_it() {
    for row in rows(include_str!("../../../tests/data/static/go_serve_file_range.json")) {
        let range = row["range"].as_str().expect("the table is complete");
        let expected = match row["status"].as_u64().expect("the table is complete") {
            200 => Extent::Whole,
            416 => Extent::Unsatisfiable,
            _ => {
                let parts = pairs(&row, "start_end_exclusive").expect("the table is complete");
                Extent::Parts(parts.into_iter().map(|(start, end)| start..end).collect())
            }
        };
        assert_eq!(extent(range, 11), expected, "{range}");
    }
}

#[test]
fn numbers_of_any_length_lie_behind_the_end() {
    let huge = "99999999999999999999999999";
    assert_eq!(extent(&format!("bytes=2-{huge}"), 10), part(2..10));
    assert_eq!(extent(&format!("bytes=-{huge}"), 10), part(0..10));
    assert_eq!(extent(&format!("bytes={huge}-"), 10), Extent::Unsatisfiable);
    assert_eq!(extent(&format!("bytes=0-{}", u64::MAX), u64::MAX), part(0..u64::MAX));
}

#[test]
fn what_breaks_the_grammar_is_not_followed() {
    for range in
        ["bytes=+1-2", "bytes=1-+2", "bytes=2-1", "bytes=0-1,x", "bytes", "bytes=", "bytes=-", "lines=0-1", "=0-1"]
    {
        assert_eq!(extent(range, 10), Extent::Whole, "{range}");
    }
    assert_eq!(extent("Bytes=0-1", 10), part(0..2), "the unit has no case");
}

#[test]
fn of_an_empty_file_the_end_is_the_whole_and_a_place_is_behind_it() {
    assert_eq!(extent("bytes=-5", 0), Extent::Whole);
    assert_eq!(extent("bytes=-0", 0), Extent::Unsatisfiable);
    assert_eq!(extent("bytes=0-", 0), Extent::Unsatisfiable);
    assert_eq!(extent("bytes=-0", 10), Extent::Unsatisfiable);
}

#[test]
fn overlapping_and_too_many_parts_get_the_whole() {
    assert_eq!(extent("bytes=0-5,5-6", 10), Extent::Whole);
    assert_eq!(extent("bytes=4-6,0-9", 10), Extent::Whole);
    assert_eq!(extent("bytes=0-1,2-3", 10), Extent::Parts(vec![0..2, 2..4]));
    let many = |count: usize| (0..count).map(|at| format!("{0}-{0}", at * 2)).collect::<Vec<_>>().join(",");
    assert!(matches!(extent(&format!("bytes={}", many(PARTS_MAX)), 1000), Extent::Parts(_)));
    assert_eq!(extent(&format!("bytes={}", many(PARTS_MAX + 1)), 1000), Extent::Whole);
}

#[test]
fn only_one_range_line_of_a_get_is_followed() {
    let mut request = HeaderMap::new();
    request.insert(header::RANGE, HeaderValue::from_static("bytes=0-1"));
    assert_eq!(Extent::of(&Method::HEAD, &request, &Validators::default(), 10), Extent::Whole);
    request.append(header::RANGE, HeaderValue::from_static("bytes=2-3"));
    assert_eq!(Extent::of(&Method::GET, &request, &Validators::default(), 10), Extent::Whole);
}
