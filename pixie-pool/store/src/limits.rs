//! `Limits`: how much a store takes, and how long it may need.
//!
//! Owns the numbers, their defaults, and the rules for keys. The back ends apply them.

use std::time::Duration;

use crate::Error;

/// Longest key, in bytes, with the names of its namespaces. Room for a path and two identifiers. The same in
/// every back end, so that a program can change its back end.
pub(crate) const KEY_BYTES_MAX: usize = 512;

/// Most entries that one list returns. More would block other calls for too long.
pub(crate) const LIST_MAX: usize = 10_000;

/// Most bytes of keys and values in one list. Bounds the memory of a call whose prefix is too wide.
pub(crate) const LIST_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Most messages that wait for one subscriber. A page that shows progress reads faster than this fills.
pub(crate) const FEED_MESSAGES_MAX: usize = 64;

/// Longest time until a key expires, in milliseconds: 100 years. Later means never.
pub(crate) const EXPIRY_MS_MAX: u64 = 100 * 365 * 24 * 3600 * 1000;

#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// All keys and values together, with what they need beside their bytes. 64 MiB: enough for 200 000
    /// sessions, and small beside the memory of a server.
    pub(crate) bytes_max: u64,
    /// One value or message as JSON. 256 KiB: a value crosses a socket in one piece.
    pub(crate) value_bytes_max: usize,
    /// One call. 2 seconds: a client still waits for a page, and Redis can be restarted.
    pub(crate) timeout: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { bytes_max: 64 * 1024 * 1024, value_bytes_max: 256 * 1024, timeout: Duration::from_secs(2) }
    }
}

impl Limits {
    pub(crate) fn check_value(&self, key: &str, value: &[u8]) -> Result<(), Error> {
        match value.len() <= self.value_bytes_max {
            true => Ok(()),
            false => Err(Error::TooLarge { key: shortened(key), limit: self.value_bytes_max }),
        }
    }
}

/// Checks the key of a value or the name of a topic.
pub(crate) fn check_key(key: &str) -> Result<(), Error> {
    match key.is_empty() {
        true => Err(invalid(key, "a key has at least one byte")),
        false => check_prefix(key),
    }
}

/// Checks the beginning of keys, which may be empty.
pub(crate) fn check_prefix(prefix: &str) -> Result<(), Error> {
    if prefix.len() > KEY_BYTES_MAX {
        Err(invalid(prefix, "a key has at most 512 bytes, together with its namespaces"))
    } else if prefix.chars().any(char::is_control) {
        Err(invalid(prefix, "a key has no control characters"))
    } else {
        Ok(())
    }
}

/// Checks the size of a list, which has grown to this number of bytes.
pub(crate) fn check_list(prefix: &str, bytes: usize) -> Result<(), Error> {
    match bytes <= LIST_BYTES_MAX {
        true => Ok(()),
        false => Err(Error::TooLarge { key: shortened(prefix), limit: LIST_BYTES_MAX }),
    }
}

pub(crate) fn invalid(key: &str, reason: &str) -> Error {
    Error::InvalidKey { key: shortened(key), reason: reason.into() }
}

/// Returns the beginning of a key for a message.
pub(crate) fn shortened(key: &str) -> String {
    match key.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &key[..end]),
        None => key.into(),
    }
}
