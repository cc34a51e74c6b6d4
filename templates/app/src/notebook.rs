//! The notebook: the notes and the accounts of their authors, in a database that is one file.

use std::{fs, path::Path};

use pixie_web::{Error, Result};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

/// Number of the note → author, text.
const NOTES: TableDefinition<u64, (&str, &str)> = TableDefinition::new("notes");
/// Name in lower case → name, hash of the password.
const ACCOUNTS: TableDefinition<&str, (&str, &str)> = TableDefinition::new("accounts");
/// Limits how many notes are stored, because visitors can add any number.
const KEPT: u64 = 100;

pub struct Note {
    pub author: String,
    pub text: String,
}

pub struct Account {
    pub name: String,
    pub hash: String,
}

/// The notes in a file, which only one process can have open.
pub struct Notebook {
    database: Database,
}

impl Notebook {
    /// Opens the file, and makes it if it does not exist.
    pub fn open(file: &Path) -> Result<Self> {
        let refused = |error: &dyn std::error::Error| {
            let file = file.display();
            Error::internal(format!(
                "could not open the notes in {file}: {error} (set NOTES_FILE to use another file)"
            ))
        };
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).map_err(|error| refused(&error))?;
        }
        let database = Database::create(file).map_err(|error| refused(&error))?;
        Ok(Self { database })
    }

    /// Returns a notebook in memory.
    #[cfg(test)]
    pub fn in_memory() -> Result<Self> {
        let memory = redb::backends::InMemoryBackend::new();
        let database = Database::builder().create_with_backend(memory)?;
        Ok(Self { database })
    }

    /// Adds a note and removes the oldest if there are too many, in one transaction.
    pub fn add(&self, author: &str, text: &str) -> Result<()> {
        let transaction = self.database.begin_write()?;
        let mut notes = transaction.open_table(NOTES)?;
        let number = notes.last()?.map_or(1, |(last, _)| last.value() + 1);
        notes.insert(number, (author, text))?;
        notes.retain_in(..=number.saturating_sub(KEPT), |_, _| false)?;
        drop(notes);
        transaction.commit()?;
        Ok(())
    }

    /// Returns the notes, the newest first.
    pub fn all(&self) -> Result<Vec<Note>> {
        let transaction = self.database.begin_read()?;
        let notes = match transaction.open_table(NOTES) {
            // The first note creates the table.
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            notes => notes?,
        };
        let mut found = Vec::new();
        for entry in notes.iter()?.rev() {
            let (_, note) = entry?;
            let (author, text) = note.value();
            found.push(Note {
                author: author.to_owned(),
                text: text.to_owned(),
            });
        }
        Ok(found)
    }

    /// Adds an account. Returns whether the name was free.
    pub fn add_account(&self, name: &str, hash: &str) -> Result<bool> {
        let transaction = self.database.begin_write()?;
        let mut accounts = transaction.open_table(ACCOUNTS)?;
        let key = name.to_lowercase();
        let is_free = accounts.get(&*key)?.is_none();
        if is_free {
            accounts.insert(&*key, (name, hash))?;
        }
        drop(accounts);
        transaction.commit()?;
        Ok(is_free)
    }

    /// Returns the account with this name, in upper or lower case.
    pub fn account(&self, name: &str) -> Result<Option<Account>> {
        let transaction = self.database.begin_read()?;
        let accounts = match transaction.open_table(ACCOUNTS) {
            // The first account creates the table.
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
            accounts => accounts?,
        };
        let found = accounts.get(&*name.to_lowercase())?;
        Ok(found.map(|account| {
            let (name, hash) = account.value();
            Account {
                name: name.to_owned(),
                hash: hash.to_owned(),
            }
        }))
    }
}
