//! Arguments and results as bytes: MessagePack with the names of fields.
//!
//! With names, because formats without them, such as postcard, lose `flatten`, untagged enums and omitted
//! fields. Not JSON, because MessagePack keeps infinities, keys of other types than strings, and bytes as
//! bytes. Not CBOR (ciborium), because it cannot read an IP address inside of `flatten`. As in JSON,
//! `Some(None)` and `Some(())` become `None`. Invariant: bytes from a peer may fail to decode, but do not
//! crash, and trailing bytes are an error.

use rmp_serde::{Deserializer, Serializer};
use serde::{Serialize, de::DeserializeOwned};

use crate::config::NESTING_MAX;

/// Encodes a value.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    // `BytesMode::ForceIterables` would make `Vec<u8>` as cheap as `Bytes`, but then `Vec<u8>` could not be
    // read inside of `flatten`. "Human readable", because serde reads each value inside of `flatten` like
    // that, and would expect an IP address to be text.
    let mut serializer = Serializer::new(&mut bytes).with_struct_map().with_human_readable();
    value.serialize(&mut serializer).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// Decodes a value, which must use all bytes.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let mut deserializer = Deserializer::new(bytes).with_human_readable();
    deserializer.set_max_depth(NESTING_MAX);
    let value = T::deserialize(&mut deserializer).map_err(|error| error.to_string())?;
    match deserializer.get_ref().len() {
        0 => Ok(value),
        left => Err(format!("{left} bytes are left over")),
    }
}

#[cfg(test)]
mod tests;
