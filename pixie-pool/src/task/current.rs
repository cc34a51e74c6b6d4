//! What a running task can ask about itself, without an argument for it.
//!
//! Owns the record of each thread's running task. Invariant: the record exists exactly while the task's
//! function runs.

use std::{cell::RefCell, time::Duration};

use crate::job::{Cancellation, Job, TimeLimit};

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
/// at most what is left of [`Config::extension`](crate::Config::extension). Zero without a deadline, and
/// outside of a task.
pub fn extend(by: Duration) -> Duration {
    time_limit().map_or(Duration::ZERO, |limit| limit.extend(by))
}

fn time_limit() -> Option<TimeLimit> {
    CURRENT.with_borrow(|current| current.as_ref().map(|current| current.time_limit.clone()))
}

/// Returns whether the running task was canceled. A long task should check this from time to time, and return
/// if so.
///
/// The worker of a canceled task is killed after [`Config::cancel_grace`](crate::Config::cancel_grace). False
/// outside of a task.
pub fn is_canceled() -> bool {
    CURRENT.with_borrow(|current| current.as_ref().is_some_and(|current| current.cancellation.is_canceled()))
}

/// Keeps the record until it is dropped.
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
