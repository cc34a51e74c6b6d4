//! What a running task may ask about itself, without an argument for it.
//!
//! Owns the note about the task of each thread. Rule: the note is there exactly while the task's function runs.

use std::{cell::RefCell, time::Duration};

use crate::job::{Cancellation, Job, TimeLimit};

thread_local! {
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
}

struct Current {
    time_limit: TimeLimit,
    cancellation: Cancellation,
}

/// Returns the time that the running task has until its deadline; `None` if it has no deadline or this is no task.
///
/// Threads that a task starts do not know of it: ask before, and hand the answer on.
pub fn remaining() -> Option<Duration> {
    time_limit()?.remaining()
}

/// Asks for so much more time for the running task and returns how much it gets, in whole milliseconds: what is left of
/// [`Config::extension`](crate::Config::extension). Nothing without a deadline, and nothing outside of a task.
pub fn extend(by: Duration) -> Duration {
    time_limit().map_or(Duration::ZERO, |limit| limit.extend(by))
}

fn time_limit() -> Option<TimeLimit> {
    CURRENT.with_borrow(|current| current.as_ref().map(|current| current.time_limit.clone()))
}

/// Returns true if nobody waits for the running task any more: a long one should look now and then, and return.
///
/// The worker of a canceled task is killed after [`Config::cancel_grace`](crate::Config::cancel_grace). False outside of a task.
pub fn is_canceled() -> bool {
    CURRENT.with_borrow(|current| current.as_ref().is_some_and(|current| current.cancellation.is_canceled()))
}

/// Keeps the note until it is dropped.
pub(crate) struct Entered(());

impl Entered {
    pub(crate) fn new(job: &Job) -> Self {
        CURRENT.set(Some(Current { time_limit: job.time_limit(), cancellation: job.cancellation() }));
        Entered(())
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(None);
    }
}
