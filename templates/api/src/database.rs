//! The database: a file of SQLite, and the steps that bring its tables up to date.

use std::{
    fs,
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use pixie_web::{Error, Result};
use rusqlite::{Connection, Transaction, TransactionBehavior};

/// The steps from an empty file to the tables of this program. Add steps at the end, and do not change a
/// step that has run somewhere.
const MIGRATIONS: &[&str] = &[include_str!("../migrations/1_tasks.sql")];
/// How long to wait for another program that writes, such as the old one during a restart.
const PATIENCE: Duration = Duration::from_secs(5);

/// The open database. One request uses it at a time.
pub struct Database(Mutex<Connection>);

impl Database {
    /// Opens the file, creates it if it does not exist, and runs the steps that it lacks.
    pub fn open(file: &Path) -> Result<Database> {
        let named = |error: &dyn std::fmt::Display| {
            let file = file.display();
            let hint = "set DATABASE to use another file";
            Error::internal(format!(
                "could not open the database {file}: {error} ({hint})"
            ))
        };
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).map_err(|error| named(&error))?;
        }
        let connection = connect(file).map_err(|error| named(&error))?;
        Ok(Database(Mutex::new(connection)))
    }

    /// Runs statements in one transaction: after an error, nothing has changed.
    pub fn run<T>(&self, work: impl FnOnce(&Transaction) -> rusqlite::Result<T>) -> Result<T> {
        let mut connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = work(&transaction)?;
        transaction.commit()?;
        Ok(done)
    }
}

fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open(file)?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    migrate(&mut connection)?;
    Ok(connection)
}

/// Runs the steps that the file lacks. Its `user_version` counts the steps that it has.
fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done: usize = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for step in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(step)?;
    }
    // A newer program may have more steps. It must not run them again.
    let count = MIGRATIONS.len().max(done);
    transaction.pragma_update(None, "user_version", count)?;
    transaction.commit()
}
