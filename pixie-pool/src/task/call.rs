//! Calling a task: in the main process, from typed arguments to a job, and from its reply to a value or an
//! error; in a worker, from the job to the function and back.
//!
//! Owns the form of a task's job: the head is the task's name, the body its arguments. Also owns the
//! record of each thread's running task, which exists exactly while the function runs. Invariants:
//! `collect` limits what a worker sends. A job with an unknown task fails; the worker continues.

use std::{cell::RefCell, io::Read as _, sync::Arc, time::Duration};

use crate::{
    config::OUTPUT_BYTES_MAX,
    error::{Error, Failure},
    job::{Cancellation, Handler, Job, TimeLimit},
    pool::Pool,
    submission::{Body, Submission},
    task::{
        codec,
        entry::{Entry, Table, Task, table},
    },
};

impl Pool {
    /// Runs a function with [`#[task]`](macro@crate::task) in a worker; dropping the future cancels it.
    ///
    /// `arguments` is a reference to the function's argument, to a tuple of several, or to `()`. They are
    /// encoded before this returns, so the future does not borrow them.
    ///
    /// # Errors
    ///
    /// An error of the function itself is [`Error::Failed`], a panic is [`Error::Panicked`], a crash is
    /// [`Error::Exited`]. The others are those of [`Pool::submit`], [`Error::Encoding`] and
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
    let job = Submission::new(entry.name).body(Body::Full(arguments.into()));
    Ok(job.deadline(entry.deadline).replayable(entry.is_idempotent).label(entry.name))
}

/// Returns what runs the tasks of a table.
pub(crate) fn handler(table: &'static Table) -> Handler {
    Arc::new(|mut job| match outcome(table, &mut job) {
        // An error means that the job was canceled, which has ended it.
        Ok(output) => drop(job.reply(b"", &output)),
        Err(message) => job.fail(Failure::error(message)),
    })
}

fn outcome(table: &Table, job: &mut Job) -> Result<Vec<u8>, String> {
    let Some(entry) = table.find(job.head()) else {
        return Err(format!("this program has no task `{}`", String::from_utf8_lossy(job.head())));
    };
    let _entered = Entered::new(job);
    let mut arguments = Vec::new();
    job.body().read_to_end(&mut arguments).map_err(|error| format!("its arguments did not arrive: {error}"))?;
    let output = (entry.run)(&arguments)?;
    match output.len() <= OUTPUT_BYTES_MAX {
        true => Ok(output),
        false => Err(format!(
            "its output has {} bytes, at most {OUTPUT_BYTES_MAX} are allowed: write it to a file and return the path",
            output.len()
        )),
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
}

struct Current {
    time_limit: TimeLimit,
    cancellation: Cancellation,
}

/// Returns the time until the deadline of the running task; `None` without a deadline, and outside of a task.
///
/// Threads that a task starts get `None`: call this before you start them, and pass the value on.
pub fn remaining() -> Option<Duration> {
    time_limit()?.remaining()
}

/// Asks for so much more time for the running task and returns how much was granted, in whole milliseconds:
/// at most what is left of [`Config::extension`](crate::Config::extension). Zero without a deadline or a
/// task.
pub fn extend(by: Duration) -> Duration {
    time_limit().map_or(Duration::ZERO, |limit| limit.extend(by))
}

fn time_limit() -> Option<TimeLimit> {
    CURRENT.with_borrow(|current| current.as_ref().map(|current| current.time_limit.clone()))
}

/// Returns whether the running task was canceled. A long task should check this and return if so.
///
/// The worker of a canceled task is killed after [`Config::cancel_grace`](crate::Config::cancel_grace). False
/// outside of a task.
pub fn is_canceled() -> bool {
    CURRENT.with_borrow(|current| current.as_ref().is_some_and(|current| current.cancellation.is_canceled()))
}

/// Keeps the record until it is dropped.
struct Entered(());

impl Entered {
    fn new(job: &Job) -> Self {
        CURRENT.set(Some(Current { time_limit: job.time_limit(), cancellation: job.cancellation() }));
        Entered(())
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(None);
    }
}
