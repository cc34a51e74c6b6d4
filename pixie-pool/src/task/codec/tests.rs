//! Values come back unchanged, with all serde attributes; cut and invented bytes are refused.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::{collections::BTreeMap, net::IpAddr};

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{decode, encode};

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Inner {
    data: Vec<u8>,
    address: IpAddr,
    ratio: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Outer {
    id: u64,
    #[serde(flatten)]
    inner: Inner,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
enum Untagged {
    Number(i64),
    Inner(Inner),
    List(Vec<Untagged>),
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Tagged {
    Empty,
    Filled(Inner),
    Both { one: Box<Tagged>, other: char },
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
enum Plain {
    Unit,
    New(u8),
    Tuple(i8, Option<()>),
    Struct { bytes: Bytes },
}

fn inner() -> Inner {
    Inner { data: vec![0, 127, 128, 255], address: IpAddr::from([127, 0, 0, 1]), ratio: f64::INFINITY, note: None }
}

fn round_trip<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: T) {
    let bytes = encode(&value).unwrap();
    assert_eq!(decode::<T>(&bytes), Ok(value));
}

#[test]
fn every_attribute_of_serde_survives() {
    round_trip(inner());
    let rest = BTreeMap::from([("x".to_owned(), json!([1, {"y": null}])), ("z".to_owned(), json!("ü"))]);
    round_trip(Outer { id: u64::MAX, inner: Inner { note: Some(String::new()), ..inner() }, rest });
    round_trip(Untagged::List(vec![Untagged::Number(-1), Untagged::Inner(inner())]));
    round_trip(Tagged::Both { one: Box::new(Tagged::Filled(inner())), other: 'ß' });
    round_trip(Tagged::Empty);
    round_trip(vec![Plain::Unit, Plain::New(255), Plain::Tuple(-128, None), Plain::Struct { bytes: Bytes::from("b") }]);
}

#[test]
fn what_json_cannot_say_survives() {
    round_trip(BTreeMap::from([((1, 'a'), vec![i128::MIN, i128::MAX]), ((2, 'b'), vec![])]));
    round_trip((f64::NEG_INFINITY, f32::MIN_POSITIVE, u128::MAX, ()));
    round_trip(());
    round_trip(Some(Some(0)));
}

#[test]
fn bytes_are_as_short_as_they_are() {
    let bytes = Bytes::from(vec![200; 100_000]);
    assert_eq!(encode(&bytes).unwrap().len(), 100_005);
    round_trip(bytes);
}

#[test]
fn what_was_cut_or_added_to_is_refused() {
    let bytes = encode(&(Tagged::Filled(inner()), "text", [1.5; 3])).unwrap();
    for end in 0..bytes.len() {
        assert!(decode::<(Tagged, String, [f64; 3])>(&bytes[..end]).is_err(), "{end}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(decode::<(Tagged, String, [f64; 3])>(&longer), Err("1 bytes are left over".to_owned()));
}

#[test]
fn nests_without_end_are_refused_before_the_stack_is() {
    let lists = vec![0x91; 1_000_000];
    assert!(decode::<Value>(&lists).is_err());
    assert!(decode::<Outer>(&lists).is_err());
    let unknown = [&b"\x81\xa1x"[..], &lists].concat();
    assert!(decode::<Inner>(&unknown).is_err());
}

#[test]
fn lengths_that_lie_reserve_no_memory() {
    for head in [[0xdd, 0xff, 0xff, 0xff, 0xff], [0xdf, 0xff, 0xff, 0xff, 0xff], [0xc6, 0xff, 0xff, 0xff, 0xff]] {
        assert!(decode::<Vec<u64>>(&head).is_err());
        assert!(decode::<BTreeMap<String, Value>>(&head).is_err());
        assert!(decode::<Bytes>(&head).is_err());
        assert!(decode::<Value>(&head).is_err());
    }
}
