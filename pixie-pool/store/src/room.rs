//! `Room`: counts the bytes of a table, makes room, and removes what has expired.
//!
//! Invariant: values need at most `bytes_max`. Rate limits use what values leave, but at least a sixteenth, so
//! that they work in a full store. They are dropped for values, and for each other, the soonest to expire first.

use crate::{
    ChangeKind, Error,
    table::{Class, NEVER, Record, Table},
};

/// What a record needs beside its key and its value: its places in two trees and its allocations. Measured for
/// the memory with a million rate limits.
const RECORD_BYTES: u64 = 200;

/// Most expired records that one write removes. More than one, so that the writes catch up.
const SWEEP_MAX: usize = 8;

/// A table with the bytes that its records need.
#[derive(Debug, Default)]
pub(crate) struct Room<T> {
    pub(crate) table: T,
    pub(crate) value_bytes: u64,
    pub(crate) limit_bytes: u64,
    pub(crate) bytes_max: u64,
}

impl<T: Table> Room<T> {
    pub(crate) fn insert(&mut self, key: &str, record: Record) -> Result<(), Error> {
        let needed = size(key, &record);
        match Class::of(key) {
            Class::Limit => {
                self.remove(key)?;
                let most = self.bytes_max.saturating_sub(self.value_bytes).max(self.bytes_max / 16);
                self.shrink_limits(most.saturating_sub(needed))?;
                self.table.set(key, None, record)?;
                self.limit_bytes += needed;
            }
            Class::Value => {
                let old = self.table.get(key)?;
                let freed = old.as_ref().map_or(0, |old| size(key, old));
                let after = self.value_bytes.saturating_sub(freed) + needed;
                // A value that does not grow may always be written, also after the limit was lowered.
                if after > self.bytes_max && needed > freed {
                    return Err(Error::Full { limit: Some(self.bytes_max) });
                }
                self.shrink_limits(self.bytes_max.saturating_sub(after).max(self.bytes_max / 16))?;
                self.table.set(key, old.as_ref(), record)?;
                self.value_bytes = after;
            }
        }
        Ok(())
    }

    pub(crate) fn remove(&mut self, key: &str) -> Result<(), Error> {
        let Some(old) = self.table.get(key)? else { return Ok(()) };
        self.table.unset(key, &old)?;
        let bytes = match Class::of(key) {
            Class::Limit => &mut self.limit_bytes,
            Class::Value => &mut self.value_bytes,
        };
        *bytes = bytes.saturating_sub(size(key, &old));
        Ok(())
    }

    /// Removes some of the records that have expired, and tells which.
    pub(crate) fn sweep(&mut self, now_ms: u64, tell: &mut dyn FnMut(&str, ChangeKind)) -> Result<(), Error> {
        for class in [Class::Value, Class::Limit] {
            for _ in 0..SWEEP_MAX {
                let Some(key) = self.table.soonest(class, now_ms)? else { break };
                self.remove(&key)?;
                tell(&key, ChangeKind::Expired);
            }
        }
        Ok(())
    }

    fn shrink_limits(&mut self, most: u64) -> Result<(), Error> {
        while self.limit_bytes > most {
            let Some(key) = self.table.soonest(Class::Limit, NEVER)? else { break };
            self.remove(&key)?;
        }
        Ok(())
    }
}

#[cfg(any(test, fuzzing))]
impl<T: Table> Room<T> {
    /// Counts the bytes again, and compares.
    pub(crate) fn check(&self) {
        let (mut values, mut limits) = (0, 0);
        let mut count = |key: &str, record: Record| {
            *match Class::of(key) {
                Class::Limit => &mut limits,
                Class::Value => &mut values,
            } += size(key, &record);
            Ok(true)
        };
        self.table.visit("", &mut count).expect("a table can be read");
        assert_eq!((values, limits), (self.value_bytes, self.limit_bytes));
        assert!(values <= self.bytes_max && limits <= self.bytes_max.saturating_sub(values).max(self.bytes_max / 16));
    }
}

fn size(key: &str, record: &Record) -> u64 {
    (key.len() + record.value.len()) as u64 + RECORD_BYTES
}
