//! Why a worker's connection was closed.
//!
//! Owns the causes, with error and outcome of the job that ran. Invariant: each cause has its own error.

use crate::error::Error;

/// Why the pool ended a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kill {
    Deadline,
    CpuTime,
    Memory,
    /// The worker has more threads than `thread_limit`.
    Threads,
    /// A canceled job did not end within `cancel_grace`.
    Cancel,
    /// A streamed reply made no progress for `stream_idle_timeout`.
    Idle,
    Protocol,
    /// The worker did not take its next step, such as to claim a job that it has read.
    Stuck,
    /// The worker is surplus or replaced.
    Retire,
    Stop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// The pool ended the worker.
    Killed(Kill),
    /// The process exited; the bytes that it sent before may still be read.
    Exited,
}

impl Closed {
    /// Returns whether the worker gets time to exit by itself, because it runs no job that has to be stopped.
    pub(crate) fn is_polite(self) -> bool {
        matches!(self, Closed::Killed(Kill::Retire | Kill::Stop))
    }
}

impl Kill {
    /// Returns the cause in one word, for logs and metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kill::Deadline => "deadline",
            Kill::CpuTime => "cpu_time",
            Kill::Memory => "memory",
            Kill::Threads => "threads",
            Kill::Cancel => "cancel",
            Kill::Idle => "idle",
            Kill::Protocol => "protocol",
            Kill::Stuck => "stuck",
            Kill::Retire => "retire",
            Kill::Stop => "stop",
        }
    }

    /// Returns the outcome of the job that ran, for the metrics.
    pub(crate) fn outcome(self) -> &'static str {
        if self == Kill::Cancel { "canceled" } else { self.name() }
    }

    pub(crate) fn error(self) -> Error {
        match self {
            Kill::Deadline => Error::Deadline,
            Kill::CpuTime => Error::CpuTime,
            Kill::Idle => Error::Idle,
            Kill::Cancel => Error::Canceled,
            Kill::Stuck => Error::Stuck,
            Kill::Memory => Error::Memory,
            Kill::Threads => Error::Threads,
            Kill::Protocol => Error::Protocol,
            // A worker that is retired has no job.
            Kill::Retire | Kill::Stop => Error::Stopping,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_cause_of_a_job_s_kill_has_its_own_error_and_name() {
        let kills = [
            Kill::Deadline,
            Kill::CpuTime,
            Kill::Memory,
            Kill::Threads,
            Kill::Cancel,
            Kill::Idle,
            Kill::Protocol,
            Kill::Stuck,
        ];
        let errors: BTreeSet<String> = kills.iter().map(|kill| kill.error().to_string()).collect();
        let names: BTreeSet<&str> = kills.iter().map(|kill| kill.name()).collect();
        assert_eq!((errors.len(), names.len()), (kills.len(), kills.len()), "{errors:?}");
        assert!(matches!(Kill::CpuTime.error(), Error::CpuTime) && matches!(Kill::Cancel.error(), Error::Canceled));
        assert!(matches!(Kill::Idle.error(), Error::Idle) && matches!(Kill::Stuck.error(), Error::Stuck));
    }
}
