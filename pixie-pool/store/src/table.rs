//! `Record`, and what a sorted table of records can do. The memory and the file have one each.

use bytes::Bytes;

use crate::Error;

/// The expiry of a record that does not expire.
pub(crate) const NEVER: u64 = u64::MAX;

#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) value: Bytes,
    /// Milliseconds since the Unix epoch, or `NEVER`.
    pub(crate) expires_ms: u64,
}

impl Record {
    pub(crate) fn is_live(&self, now_ms: u64) -> bool {
        now_ms < self.expires_ms
    }
}

/// What a record is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// A rate limit. It may be dropped when the store is full, because the client only gets a new bucket.
    Limit,
    /// A value that stays until it is deleted or expires.
    Value,
}

impl Class {
    pub(crate) fn of(key: &str) -> Class {
        match key.starts_with(".limit/") {
            true => Class::Limit,
            false => Class::Value,
        }
    }
}

/// Is called with each record of a range, and returns whether it wants the next one.
pub(crate) type Visitor<'v> = &'v mut dyn FnMut(&str, Record) -> Result<bool, Error>;

/// Reads a table, expired records too.
pub(crate) trait Lookup {
    fn get(&self, key: &str) -> Result<Option<Record>, Error>;
    /// Visits the records whose keys begin with `prefix`, in the order of the keys.
    fn visit(&self, prefix: &str, visitor: Visitor<'_>) -> Result<(), Error>;
}

/// Changes a table and its order of expiry. Does not count bytes.
pub(crate) trait Table: Lookup {
    /// Writes a record in the place of `old`, if there is one.
    fn set(&mut self, key: &str, old: Option<&Record>, record: Record) -> Result<(), Error>;
    fn unset(&mut self, key: &str, old: &Record) -> Result<(), Error>;
    /// Returns the key of a class that expires first, if it expires until then. Keys that never expire do not count.
    fn soonest(&self, class: Class, until_ms: u64) -> Result<Option<String>, Error>;
}
