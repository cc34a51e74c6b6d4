//! `Memory`: the store in the memory of this process.
//!
//! A call takes one lock for one operation and never waits for anything else.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::{Arc, PoisonError, RwLock},
};

use bytes::Bytes;

use super::now_us;
use crate::{
    Error,
    feed::Hub,
    limits::Limits,
    op::{Answer, Op},
    room::Room,
    rules::{apply, read},
    table::{Class, Lookup, NEVER, Record, Table, Visitor},
};

#[derive(Debug)]
pub(crate) struct Memory {
    room: RwLock<Room<Trees>>,
}

impl Memory {
    pub(crate) fn new(limits: &Limits) -> Memory {
        Memory { room: RwLock::new(Room { bytes_max: limits.bytes_max, ..Room::default() }) }
    }

    pub(crate) fn answer(&self, op: &Op, hub: &Hub) -> Result<Answer, Error> {
        if op.is_read() {
            return read(op, &self.room.read().unwrap_or_else(PoisonError::into_inner).table, now_us());
        }
        let mut room = self.room.write().unwrap_or_else(PoisonError::into_inner);
        // Under the lock, so that watchers see the changes of a key in their order.
        apply(op, &mut room, now_us(), &mut |key, kind| hub.changed(key, kind))
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn check(&self) {
        self.room.read().unwrap_or_else(PoisonError::into_inner).check();
    }
}

#[derive(Debug, Default)]
pub(crate) struct Trees {
    records: BTreeMap<Arc<str>, Record>,
    /// The values that expire, the soonest first.
    values: BTreeSet<(u64, Arc<str>)>,
    /// The same for rate limits.
    limits: BTreeSet<(u64, Arc<str>)>,
}

impl Trees {
    fn index(&mut self, key: &str) -> &mut BTreeSet<(u64, Arc<str>)> {
        match Class::of(key) {
            Class::Limit => &mut self.limits,
            Class::Value => &mut self.values,
        }
    }
}

impl Lookup for Trees {
    fn get(&self, key: &str) -> Result<Option<Record>, Error> {
        Ok(self.records.get(key).cloned())
    }

    fn visit(&self, prefix: &str, visitor: Visitor<'_>) -> Result<(), Error> {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        for (key, record) in self.records.range::<str, _>(from).take_while(|(key, _)| key.starts_with(prefix)) {
            if !visitor(key, record.clone())? {
                break;
            }
        }
        Ok(())
    }
}

impl Table for Trees {
    fn set(&mut self, key: &str, old: Option<&Record>, record: Record) -> Result<(), Error> {
        let expires_ms = record.expires_ms;
        // A copy needs no more than its bytes, but what the caller has may be a part of something larger.
        let record = Record { value: Bytes::copy_from_slice(&record.value), expires_ms };
        if old.is_some_and(|old| old.expires_ms == expires_ms)
            && let Some(place) = self.records.get_mut(key)
        {
            *place = record;
            return Ok(());
        }
        if let Some(old) = old {
            self.unset(key, old)?;
        }
        let key: Arc<str> = key.into();
        if expires_ms != NEVER {
            self.index(&key).insert((expires_ms, key.clone()));
        }
        self.records.insert(key, record);
        Ok(())
    }

    fn unset(&mut self, key: &str, old: &Record) -> Result<(), Error> {
        if let Some((key, _)) = self.records.remove_entry(key)
            && old.expires_ms != NEVER
        {
            self.index(&key.clone()).remove(&(old.expires_ms, key));
        }
        Ok(())
    }

    fn soonest(&self, class: Class, until_ms: u64) -> Result<Option<String>, Error> {
        let index = match class {
            Class::Limit => &self.limits,
            Class::Value => &self.values,
        };
        let first = index.first().filter(|(expires_ms, _)| *expires_ms <= until_ms);
        Ok(first.map(|(_, key)| key.as_ref().to_owned()))
    }
}
