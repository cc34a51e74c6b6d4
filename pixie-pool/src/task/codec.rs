//! How arguments and results become bytes: MessagePack with the names of fields.
//!
//! With names, because `flatten`, untagged enums and left-out fields are lost in formats that go by position. MessagePack and
//! not JSON, because it keeps infinities, keys that are no strings, and bytes as bytes. As in JSON, `Some(None)` and `Some(())`
//! are `None`. Rule: what arrives is hostile input; it may fail to decode, but neither crash nor be taken for less than it is.

use rmp_serde::{Deserializer, Serializer};
use serde::{Serialize, de::DeserializeOwned};

use crate::config::NESTING_MAX;

/// Encodes a value.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    // `BytesMode::ForceIterables` would make `Vec<u8>` as cheap as `Bytes`, but then none could be read inside of `flatten`.
    // "Human readable" is what serde takes every value inside of `flatten` for, so an address would be read as text there.
    let mut serializer = Serializer::new(&mut bytes).with_struct_map().with_human_readable();
    value.serialize(&mut serializer).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// Decodes a value, which has to be all that is there.
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
