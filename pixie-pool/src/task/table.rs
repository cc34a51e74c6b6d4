//! The table of a program's tasks, by name.
//!
//! Owns the names, their order and the hash that tells whether another process has the same table. Invariant:
//! each name means one function; a program with two functions of the same name cannot start a pool of tasks.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::OnceLock,
};

use crate::task::entry::{Entry, Registered};

static TABLE: OnceLock<Result<Table, String>> = OnceLock::new();

/// All tasks of this program, by name.
#[derive(Debug)]
pub(crate) struct Table {
    entries: Vec<&'static Entry>,
    /// A number that is equal in two processes only if they have the same tasks.
    pub(crate) hash: u64,
}

/// Returns the table of this program, or an error that names two tasks with the same name.
pub(crate) fn table() -> Result<&'static Table, String> {
    let registered = || inventory::iter::<Registered>().map(|registered| registered.0).collect();
    TABLE.get_or_init(|| Table::new(registered())).as_ref().map_err(String::clone)
}

impl Table {
    fn new(mut entries: Vec<&'static Entry>) -> Result<Self, String> {
        entries.sort_unstable_by_key(|entry| (entry.name, entry.file, entry.line));
        if let Some(pair) = entries.windows(2).find(|pair| pair[0].name == pair[1].name) {
            let place = |entry: &Entry| format!("{}:{}", entry.file, entry.line);
            return Err(format!(
                "two tasks are called `{}`: at {} and at {}; rename one of the functions",
                pair[0].name,
                place(pair[0]),
                place(pair[1])
            ));
        }
        let mut hasher = DefaultHasher::new();
        env!("CARGO_PKG_VERSION").hash(&mut hasher);
        for Entry { name, signature, file, line, .. } in &entries {
            (name, signature, file, line).hash(&mut hasher);
        }
        Ok(Table { entries, hash: hasher.finish() })
    }

    /// Returns the task of this name.
    pub(crate) fn find(&self, name: &[u8]) -> Option<&'static Entry> {
        let at = self.entries.binary_search_by_key(&name, |entry| entry.name.as_bytes()).ok()?;
        Some(self.entries[at])
    }
}

#[cfg(test)]
mod tests;
