//! Media types are chosen as by the table of jshttp/negotiator.
use serde_json::Value;

use super::*;

#[test]
fn media_types_are_chosen_as_by_negotiator() {
    let json = include_str!("../../../tests/data/negotiation/accept_media_type.json");
    let rows: Vec<Value> = serde_json::from_str(json).expect("the table is JSON");
    let mut checked = 0;
    for row in rows {
        let Some(available) = row["available"].as_array() else { continue };
        let available: Vec<_> = available.iter().filter_map(Value::as_str).collect();
        // Where the table has the whole order, its first is the choice.
        let expected = match &row["expect"] {
            Value::Array(order) => order.first().and_then(Value::as_str),
            one => one.as_str(),
        };
        let header = row["header"].as_str().map(|text| HeaderValue::from_str(text).expect("a header value"));
        assert_eq!(preferred(&available, &wishes(&header)), expected, "{row}");
        checked += 1;
    }
    assert!(checked >= 20, "only {checked} rows");
}
