//! What the table tests share: reading their data and decoding base64.
use std::{fs, path::Path};

use serde_json::Value;

/// Reads a table, a JSON array, by its path under `tests/data`.
pub(crate) fn table(path: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(path);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("the table is JSON")
}

/// Decodes base64 with padding.
pub(crate) fn base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0u32, 0);
    for char in text.bytes().filter(|char| *char != b'=') {
        let digit = ALPHABET.iter().position(|known| *known == char).expect("it is base64");
        bits = bits << 6 | digit as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

/// Returns the field of an error, if it has one.
pub(crate) fn field(error: &pixie_core::Error) -> Option<String> {
    let errors: Option<std::collections::BTreeMap<String, Vec<String>>> = error.data("errors");
    errors?.into_keys().next()
}

/// Returns a member as text.
pub(crate) fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str)
}
