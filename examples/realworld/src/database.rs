//! `Database`: the file, its migrations, and transactions.
//!
//! SQLite has one writer at a time. Invariant: writers of this process wait for each other in a lock, so that
//! they need not ask the file again and again; readers do not wait for anyone.
use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use pixie_web::{Error, Result};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::error::ApiError;

/// The steps from an empty file to the schema of this program. A step that was released does not change.
const MIGRATIONS: [&str; 1] = [include_str!("../migrations/1.sql")];
/// Time that a writer waits for another process, such as the next one during a restart.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Limits the idle connections of readers. Each keeps some pages of the file in memory.
const IDLE_MAX: usize = 16;

/// The database of the app.
pub(crate) struct Database {
    file: PathBuf,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
}

impl Database {
    /// Opens the file, creates it if it does not exist, and brings its schema up to date.
    pub(crate) fn open(file: &Path) -> Result<Database> {
        let opened = connect(file).and_then(|mut writer| {
            migrate(&mut writer)?;
            Ok(writer)
        });
        let writer = opened.map_err(|why| {
            let file = file.display();
            Error::internal(format!("cannot use the database {file}: {why} (REALWORLD_DATABASE names another file)"))
        })?;
        Ok(Database { file: file.to_owned(), writer: Mutex::new(writer), readers: Mutex::default() })
    }

    /// Runs queries that see one state of the database.
    pub(crate) fn read<T>(&self, run: impl FnOnce(&Transaction) -> Result<T, ApiError>) -> Result<T, ApiError> {
        let idle = || self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let found = idle().pop();
        let mut reader = found.map_or_else(|| connect(&self.file), Ok)?;
        let read = run(&reader.transaction()?);
        let mut idle = idle();
        if idle.len() < IDLE_MAX {
            idle.push(reader);
        }
        read
    }

    /// Runs changes. After an error or a panic the database is as it was before.
    pub(crate) fn write<T>(&self, run: impl FnOnce(&Transaction) -> Result<T, ApiError>) -> Result<T, ApiError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let written = run(&transaction)?;
        transaction.commit()?;
        Ok(written)
    }
}

fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // With a WAL a crash of the system may lose the last commits, but does not damage the file.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

/// Runs the steps that the file does not have yet. `user_version` counts those that it has.
fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: usize = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let Some(missing) = MIGRATIONS.get(version..) else {
        let why = format!("its schema has the version {version}, and this program knows {}", MIGRATIONS.len());
        return Err(rusqlite::Error::InvalidParameterName(why));
    };
    missing.iter().try_for_each(|step| transaction.execute_batch(step))?;
    transaction.pragma_update(None, "user_version", MIGRATIONS.len())?;
    transaction.commit()
}
