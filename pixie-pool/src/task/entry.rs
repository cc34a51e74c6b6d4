//! A task as the attribute `task` describes it, the table of a program's tasks, and the way from bytes to a
//! call of the function and back.
//!
//! Owns the trait and the types that the attribute's code names, and the hash that tells whether another
//! process has the same table. Leaves the bytes to `codec`. Invariant: a task is known by its name, never by
//! an address, and each name means one function; otherwise no pool of tasks starts.

use std::{
    fmt,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::OnceLock,
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};

use crate::task::codec;

/// A function with [`#[task]`](macro@crate::task); only the attribute implements this trait.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a task",
    label = "not a task",
    note = "put `#[pixie_pool::task]` above the function, so that workers find it by its name"
)]
pub trait Task: Copy + Send + 'static {
    /// The argument, a tuple of several, or `()`.
    type Arguments: Serialize + DeserializeOwned;
    /// What a call returns: the output of the function, or its `Ok` value if the output is a `Result`.
    type Output: Serialize + DeserializeOwned;

    #[doc(hidden)]
    fn entry() -> &'static Entry;
}

/// A task as the attribute describes it.
#[derive(Debug)]
pub struct Entry {
    /// The function's path, by which a worker finds it.
    pub name: &'static str,
    /// Its arguments and what it returns, as written.
    pub signature: &'static str,
    /// The file of the function.
    pub file: &'static str,
    /// The line of the function.
    pub line: u32,
    /// The deadline of this task; `None` for the pool's.
    pub deadline: Option<Duration>,
    /// Whether the task may run twice.
    pub is_idempotent: bool,
    /// Runs the task: encoded arguments in, the encoded output or the text of an error out.
    pub run: fn(&[u8]) -> Result<Vec<u8>, String>,
}

/// An entry before it is in the table.
#[derive(Debug)]
pub struct Registered(pub &'static Entry);

inventory::collect!(Registered);

/// A `Result`, also under the name of an alias.
pub trait Fallible {
    /// The value of `Ok`.
    type Value;

    /// Converts the error to text, with its causes if it displays them.
    fn into_outcome(self) -> Result<Self::Value, String>;
}

impl<T, E: fmt::Display> Fallible for Result<T, E> {
    type Value = T;

    fn into_outcome(self) -> Result<T, String> {
        // In the alternate form, errors of `anyhow` and similar crates display their causes.
        self.map_err(|error| format!("{error:#}"))
    }
}

/// Decodes the arguments, calls the function and encodes its output.
pub fn run<T: Task>(
    arguments: &[u8],
    call: impl FnOnce(T::Arguments) -> Result<T::Output, String>,
) -> Result<Vec<u8>, String> {
    let arguments = codec::decode(arguments).map_err(|why| format!("its arguments cannot be read: {why}"))?;
    codec::encode(&call(arguments)?).map_err(|why| format!("its output cannot be sent: {why}"))
}

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
