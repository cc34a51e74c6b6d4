//! A task as the attribute `task` describes it, and the way from bytes to a call of the function and back.
//!
//! Owns the trait and the types that the attribute's code names. Leaves the table of all tasks to `table` and
//! the bytes to `codec`. Invariant: a task is known by its name, never by an address.

use std::{fmt, time::Duration};

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
        // In the alternate form, errors of `anyhow` and similar crates display their causes; others do not
        // change.
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
