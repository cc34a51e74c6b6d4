//! The notebook: the notes and the accounts of their authors, in a database that is one file.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use pixie_web::{Error, Result};
use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition};

/// Number of the note → author, text.
const NOTES: TableDefinition<u64, (&str, &str)> = TableDefinition::new("notes");
/// Name in lower case → name, hash of the password.
const ACCOUNTS: TableDefinition<&str, (&str, &str)> = TableDefinition::new("accounts");
/// Limits how many notes are stored, because visitors can add any number.
const KEPT: u64 = 100;
/// Limits how long to wait for the old program, which `pixie dev` keeps until the new one is ready.
const PATIENCE: Duration = Duration::from_secs(10);

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
    file: PathBuf,
    database: Mutex<Option<Arc<Database>>>,
}

impl Notebook {
    /// Returns the notebook in a file, without opening the file yet.
    pub fn at(file: impl Into<PathBuf>) -> Self {
        Self {
            file: file.into(),
            database: Mutex::default(),
        }
    }

    /// Opens the file, so that the start fails if that is impossible. If another program has the file open,
    /// the first request waits for it.
    pub fn check(&self) -> Result<()> {
        match self.open() {
            Ok(_) | Err(DatabaseError::DatabaseAlreadyOpen) => Ok(()),
            Err(error) => Err(self.refused(&error)),
        }
    }

    /// Adds a note and removes the oldest if there are too many, in one transaction.
    pub fn add(&self, author: &str, text: &str) -> Result<()> {
        let transaction = self.database()?.begin_write()?;
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
        let transaction = self.database()?.begin_read()?;
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
        let transaction = self.database()?.begin_write()?;
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
        let transaction = self.database()?.begin_read()?;
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

    /// Returns the open database. If another program has the file open, waits for it.
    fn database(&self) -> Result<Arc<Database>> {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.open() {
                Ok(database) => return Ok(database),
                Err(DatabaseError::DatabaseAlreadyOpen) if Instant::now() < end => {
                    thread::sleep(Duration::from_millis(5));
                }
                Err(error) => return Err(self.refused(&error)),
            }
        }
    }

    fn open(&self) -> std::result::Result<Arc<Database>, DatabaseError> {
        let mut database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = &*database {
            return Ok(open.clone());
        }
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder).map_err(redb::StorageError::from)?;
        }
        let open = Arc::new(Database::create(&self.file)?);
        Ok(database.insert(open).clone())
    }

    fn refused(&self, error: &DatabaseError) -> Error {
        let file = self.file.display();
        Error::internal(format!(
            "could not open the notes in {file}: {error} (set NOTES_FILE to use another file)"
        ))
    }
}
