//! Content negotiation with the tables of jshttp/negotiator. Rows that are left out are listed with a reason.
use pixie_core::{HeaderMap, HeaderName, HeaderValue, Media, header, preferred_encoding};
use serde_json::Value;

type Preferred = for<'a> fn(&HeaderMap, &[&'a str]) -> Option<&'a str>;

fn rows(json: &str) -> Vec<Value> {
    serde_json::from_str(json).expect("the table is JSON")
}

fn headers(name: &HeaderName, row: &Value) -> HeaderMap {
    let value = row["header"].as_str().map(|text| HeaderValue::from_str(text).expect("a header value"));
    value.map(|value| (name.clone(), value)).into_iter().collect()
}

/// Checks all rows in which the server has something, but for those that `is_other` names.
fn check(json: &str, name: HeaderName, preferred: Preferred, is_other: fn(&Value) -> bool) {
    let mut checked = 0;
    for row in rows(json).iter().filter(|row| !is_other(row)) {
        let Some(available) = row["available"].as_array() else { continue };
        let available: Vec<_> = available.iter().filter_map(Value::as_str).collect();
        // Where the table has the whole order, its first is the choice.
        let expected = match &row["expect"] {
            Value::Array(order) => order.first().and_then(Value::as_str),
            one => one.as_str(),
        };
        assert_eq!(preferred(&headers(&name, row), &available), expected, "{row}");
        checked += 1;
    }
    assert!(checked >= 20, "only {checked} rows");
}

#[test]
fn codings_are_chosen_as_by_negotiator_but_the_server_decides_among_equals() {
    check(
        include_str!("../data/negotiation/accept_encoding.json"),
        header::ACCEPT_ENCODING,
        preferred_encoding,
        |row| {
            // In the table the client's order decides; every browser names gzip first, though it means no
            // preference.
            let text = |value: &Value| value.as_str().unwrap_or_default().replace(' ', "");
            let is_equal = text(&row["header"]) == "gzip,deflate" || text(&row["header"]) == "*,gzip";
            is_equal && row["available"].as_array().is_some_and(|available| available.len() > 1)
        },
    );
    let headers: HeaderMap =
        [(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate, br"))].into_iter().collect();
    assert_eq!(preferred_encoding(&headers, &["br", "gzip"]), Some("br"));
    assert_eq!(preferred_encoding(&headers, &["gzip", "br"]), Some("gzip"));
}

#[test]
fn a_coding_of_weight_0_is_never_chosen() {
    for text in ["br;q=0", "br;q=0.000", "br; q=0, *", "*;q=0", "gzip"] {
        let headers = [(header::ACCEPT_ENCODING, HeaderValue::from_static(text))].into_iter().collect();
        assert_eq!(preferred_encoding(&headers, &["br"]), None, "{text}");
    }
}

#[test]
fn an_error_takes_the_form_that_the_table_prefers() {
    for row in rows(include_str!("../data/negotiation/accept_media_type.json")) {
        let Some(accept) = row["header"].as_str() else { continue };
        let expected = match row["expect"].as_str() {
            // Rows without an offer, whose answer is one of the three forms.
            Some("text/html") if row["available"].is_null() => Media::Html,
            Some("text/plain") if row["available"].is_null() => Media::Text,
            Some("application/json") if row["available"].is_null() => Media::Json,
            _ => continue,
        };
        assert_eq!(Media::preferred(&[HeaderValue::from_str(accept).expect("a header value")]), expected, "{accept}");
    }
}

#[test]
fn an_error_is_a_page_for_browsers_and_a_document_for_programs() {
    let check = |accept: &'static str, expected| {
        assert_eq!(Media::preferred(&[HeaderValue::from_static(accept)]), expected, "{accept}");
    };
    check("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Media::Html);
    check("*/*", Media::Json);
    check("application/*", Media::Json);
    check("text/*", Media::Text);
    check("text/*, text/plain;q=0", Media::Html);
    check("text/html;q=0", Media::Json);
    check("text/html;note=\"a,text/plain\";q=0.5, application/problem+json", Media::Json);
    assert_eq!(Media::preferred(&[]), Media::Json);
}
