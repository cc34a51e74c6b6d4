//! Urlencoded text against the tables of the web platform's tests and of busboy.

use crate::support::{base64, table, text};
use pixie_core::Pairs;
use serde_json::Value;

/// Returns whether the case applies. The URL standard has only UTF-8, and limits belong to `FormLimits`,
/// which refuses a form instead of shortening it.
fn is_ours(case: &Value) -> bool {
    text(case, "charset").is_none() && case.get("limits").is_none()
}

fn pairs(found: &Pairs) -> Vec<(&str, &str)> {
    found.iter().collect()
}

fn expected(list: &Value) -> Vec<(&str, &str)> {
    let rows = list.as_array().expect("it is a list").iter();
    rows.map(|row| (row[0].as_str().expect("it is text"), row[1].as_str().expect("it is text"))).collect()
}

#[test]
fn the_cases_of_the_web_platforms_tests_are_read_alike() {
    let cases = table("urlencoded/wpt_urlencoded_parser.json");
    assert!(cases.len() > 30);
    for case in &cases {
        let input = text(case, "input").expect("a case has an input");
        assert_eq!(pairs(&Pairs::parse(input.as_bytes())), expected(&case["output"]), "{input:?}");
    }
}

#[test]
fn the_cases_of_busboy_are_read_alike() {
    let cases = table("urlencoded/busboy_urlencoded.json");
    let ours: Vec<_> = cases.iter().filter(|case| is_ours(case)).collect();
    assert!(ours.len() > 10, "{}", ours.len());
    for case in ours {
        let body = base64(text(case, "body_b64").expect("a case has a body"));
        assert_eq!(pairs(&Pairs::parse(&body)), expected(&case["expected"]), "{case}");
    }
}

#[test]
fn what_is_written_is_read_back() {
    let pairs: Pairs = [("a b", "ü&="), ("a b", ""), ("", "+%")]
        .map(|(name, value)| (name.into(), value.into()))
        .into_iter()
        .collect();
    assert_eq!(Pairs::parse(pairs.encoded().as_bytes()), pairs);
}
