//! The tables of redb: records, their order of expiry, and the bytes that they need.

use bytes::Bytes;
use redb::{ReadOnlyTable, ReadTransaction, ReadableTable, Table as RedbTable, TableDefinition, WriteTransaction};

use crate::{
    Error,
    room::Room,
    table::{Class, Lookup, NEVER, Record, Table, Visitor},
};

type Value = (u64, &'static [u8]);
type Place = (u64, &'static str);

const RECORDS: TableDefinition<'_, &str, Value> = TableDefinition::new("records");
const VALUES: TableDefinition<'_, Place, ()> = TableDefinition::new("values by expiry");
const LIMITS: TableDefinition<'_, Place, ()> = TableDefinition::new("limits by expiry");
const BYTES: TableDefinition<'_, &str, u64> = TableDefinition::new("bytes");

/// The tables in a transaction that writes.
pub(crate) struct Stored<'t> {
    records: RedbTable<'t, &'static str, Value>,
    values: RedbTable<'t, Place, ()>,
    limits: RedbTable<'t, Place, ()>,
    bytes: RedbTable<'t, &'static str, u64>,
}

/// The records in a transaction that reads.
pub(crate) struct Seen(ReadOnlyTable<&'static str, Value>);

/// Opens the tables, and creates those that do not exist.
pub(crate) fn tables_of(writing: &WriteTransaction) -> Result<Stored<'_>, redb::TableError> {
    Ok(Stored {
        records: writing.open_table(RECORDS)?,
        values: writing.open_table(VALUES)?,
        limits: writing.open_table(LIMITS)?,
        bytes: writing.open_table(BYTES)?,
    })
}

pub(crate) fn stored(reading: &ReadTransaction) -> Result<Seen, Error> {
    reading.open_table(RECORDS).map(Seen).map_err(unavailable)
}

pub(crate) fn unavailable(error: impl Into<redb::Error>) -> Error {
    Error::unavailable(format!("the file of the store: {}", error.into()))
}

impl<'t> Stored<'t> {
    /// Returns the tables with the bytes that their records need.
    pub(crate) fn room(self, bytes_max: u64) -> Result<Room<Stored<'t>>, Error> {
        let count = |name| Ok(self.bytes.get(name).map_err(unavailable)?.map_or(0, |count| count.value()));
        let (value_bytes, limit_bytes) = (count("values")?, count("limits")?);
        Ok(Room { value_bytes, limit_bytes, bytes_max, table: self })
    }

    /// Writes the bytes that the records need.
    pub(crate) fn save(mut room: Room<Stored<'_>>) -> Result<(), Error> {
        for (name, count) in [("values", room.value_bytes), ("limits", room.limit_bytes)] {
            room.table.bytes.insert(name, count).map_err(unavailable)?;
        }
        Ok(())
    }

    fn index(&mut self, key: &str) -> &mut RedbTable<'t, Place, ()> {
        match Class::of(key) {
            Class::Limit => &mut self.limits,
            Class::Value => &mut self.values,
        }
    }
}

fn get(table: &impl ReadableTable<&'static str, Value>, key: &str) -> Result<Option<Record>, Error> {
    Ok(table.get(key).map_err(unavailable)?.map(|found| record(found.value())))
}

fn visit(table: &impl ReadableTable<&'static str, Value>, prefix: &str, visitor: Visitor<'_>) -> Result<(), Error> {
    for found in table.range(prefix..).map_err(unavailable)? {
        let (key, value) = found.map_err(unavailable)?;
        if !key.value().starts_with(prefix) || !visitor(key.value(), record(value.value()))? {
            break;
        }
    }
    Ok(())
}

fn record((expires_ms, value): (u64, &[u8])) -> Record {
    Record { value: Bytes::copy_from_slice(value), expires_ms }
}

impl Lookup for Seen {
    fn get(&self, key: &str) -> Result<Option<Record>, Error> {
        get(&self.0, key)
    }

    fn visit(&self, prefix: &str, visitor: Visitor<'_>) -> Result<(), Error> {
        visit(&self.0, prefix, visitor)
    }
}

impl Lookup for Stored<'_> {
    fn get(&self, key: &str) -> Result<Option<Record>, Error> {
        get(&self.records, key)
    }

    fn visit(&self, prefix: &str, visitor: Visitor<'_>) -> Result<(), Error> {
        visit(&self.records, prefix, visitor)
    }
}

impl Table for Stored<'_> {
    fn set(&mut self, key: &str, old: Option<&Record>, record: Record) -> Result<(), Error> {
        let before = old.map_or(NEVER, |old| old.expires_ms);
        if before != record.expires_ms {
            if before != NEVER {
                self.index(key).remove((before, key)).map_err(unavailable)?;
            }
            if record.expires_ms != NEVER {
                self.index(key).insert((record.expires_ms, key), ()).map_err(unavailable)?;
            }
        }
        self.records.insert(key, (record.expires_ms, record.value.as_ref())).map_err(unavailable)?;
        Ok(())
    }

    fn unset(&mut self, key: &str, old: &Record) -> Result<(), Error> {
        if old.expires_ms != NEVER {
            self.index(key).remove((old.expires_ms, key)).map_err(unavailable)?;
        }
        self.records.remove(key).map_err(unavailable)?;
        Ok(())
    }

    fn soonest(&self, class: Class, until_ms: u64) -> Result<Option<String>, Error> {
        let index = match class {
            Class::Limit => &self.limits,
            Class::Value => &self.values,
        };
        let Some((place, _)) = index.first().map_err(unavailable)? else { return Ok(None) };
        let (expires_ms, key) = place.value();
        Ok((expires_ms <= until_ms).then(|| key.to_owned()))
    }
}
