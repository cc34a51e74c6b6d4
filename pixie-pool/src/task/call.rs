//! Calling a task: from typed arguments to a job, and from its reply to a value or an error.
//!
//! Owns the form of a task's job: the head is the task's name and a zero byte, followed by the arguments if
//! they are small; larger arguments are the body. Invariant: a worker cannot make this process use much
//! memory: `collect` limits what the worker sends.

use std::future::Future;

use crate::{
    config::PIPELINED_HEAD_BYTES_MAX,
    error::Error,
    pool::Pool,
    submission::{Body, Submission},
    task::{
        codec,
        entry::{Entry, Task},
        table::table,
    },
};

/// Separates a task's name from its arguments.
pub(crate) const NAME_END: u8 = 0;

impl Pool {
    /// Runs a function with [`#[task]`](macro@crate::task) in a worker; dropping the future cancels it.
    ///
    /// `arguments` is a reference to the function's argument, to a tuple of several, or to `()`. They are
    /// encoded before this returns, so the future does not borrow them.
    ///
    /// # Errors
    ///
    /// An error of the function itself is [`Error::Failed`], a panic is [`Error::Panicked`], a crash is
    /// [`Error::Died`]. The others are those of [`Pool::submit`], [`Error::Encoding`] and
    /// [`Error::TooLarge`].
    pub fn call<T: Task>(
        &self,
        _task: T,
        arguments: &T::Arguments,
    ) -> impl Future<Output = Result<T::Output, Error>> + Send + 'static + use<T> {
        let entry = T::entry();
        let reply = self.serves_tasks().and_then(|()| submission(entry, arguments)).map(|job| self.submit(job));
        async move {
            let answer = reply?.await?.body.collect().await?;
            let refused = |why| Error::Encoding(format!("the output of `{}` cannot be read: {why}", entry.name));
            codec::decode(&answer).map_err(refused)
        }
    }

    /// Returns an error if the workers of this pool have another table of tasks.
    fn serves_tasks(&self) -> Result<(), Error> {
        match table() {
            Ok(table) if table.hash == self.table_hash() => Ok(()),
            _ => Err(Error::NoTasks),
        }
    }
}

fn submission(entry: &Entry, arguments: &impl serde::Serialize) -> Result<Submission, Error> {
    let refused = |why| Error::Encoding(format!("the arguments of `{}` cannot be sent: {why}", entry.name));
    let arguments = codec::encode(arguments).map_err(refused)?;
    let name = entry.name.as_bytes();
    // A job without a body may be pipelined.
    let (head, body) = match name.len() + 1 + arguments.len() <= PIPELINED_HEAD_BYTES_MAX {
        true => ([name, &[NAME_END], &arguments].concat(), Body::Empty),
        false => ([name, &[NAME_END]].concat(), Body::Full(arguments.into())),
    };
    Ok(Submission::new(head).body(body).deadline(entry.deadline).replayable(entry.is_idempotent).label(entry.name))
}
