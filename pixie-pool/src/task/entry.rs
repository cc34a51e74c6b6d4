//! A task as the attribute `task` describes it, and the way from bytes to a call of the function and back.
//!
//! Owns the trait and the types that the attribute's code names. Leaves the table of all tasks to `table` and the bytes to
//! `codec`. Invariant: a task is known by its name, never by an address.

use std::{fmt, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use crate::task::codec;

/// A function with [`#[task]`](macro@crate::task) above it; only the attribute implements this.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no task",
    label = "no task",
    note = "put `#[pixie_pool::task]` above the function, so that workers know it by its name"
)]
pub trait Task: Copy + Send + 'static {
    /// The argument, a tuple of several, or `()`.
    type Arguments: Serialize + DeserializeOwned;
    /// What a call gets: what the function returns, or the `Ok` of it if that is a `Result`.
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
    /// A deadline of its own.
    pub deadline: Option<Duration>,
    /// Whether running it twice does no harm.
    pub is_idempotent: bool,
    /// Runs it: encoded arguments in, the encoded output or an error's text out.
    pub run: fn(&[u8]) -> Result<Vec<u8>, String>,
}

/// An entry on its way into the table.
#[derive(Debug)]
pub struct Registered(pub &'static Entry);

inventory::collect!(Registered);

/// A `Result`, whatever alias it was written as.
pub trait Fallible {
    /// The value of `Ok`.
    type Value;

    /// Turns the error into its text, with its causes if it shows them.
    fn into_outcome(self) -> Result<Self::Value, String>;
}

impl<T, E: fmt::Display> Fallible for Result<T, E> {
    type Value = T;

    fn into_outcome(self) -> Result<T, String> {
        // The alternate form is where errors of `anyhow` and the like have their causes; others take no notice.
        self.map_err(|error| format!("{error:#}"))
    }
}

/// Decodes the arguments, calls the function, encodes what it returns.
pub fn run<T: Task>(
    arguments: &[u8],
    call: impl FnOnce(T::Arguments) -> Result<T::Output, String>,
) -> Result<Vec<u8>, String> {
    let arguments = codec::decode(arguments).map_err(|why| format!("its arguments cannot be read: {why}"))?;
    codec::encode(&call(arguments)?).map_err(|why| format!("what it returned cannot be sent: {why}"))
}
