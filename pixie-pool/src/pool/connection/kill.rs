//! Why a worker's connection was closed.
//!
//! Owns the causes and what they mean for the job that was running. Rule: every cause has exactly one error.

use crate::{error::Error, pool::metrics::Outcome};

/// Why the pool ended a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kill {
    Deadline,
    /// It used more CPU time than a job may.
    CpuTime,
    /// It had more memory than a worker may.
    Memory,
    Cancel,
    Idle,
    Protocol,
    /// It did not say in time what it had not started.
    Stuck,
    /// It was not needed any more, or another one has taken its place.
    Retire,
    Stop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// The pool has ended it.
    Killed(Kill),
    /// The process has ended; what it sent before may still be read.
    Exited,
}

impl Closed {
    /// Tells whether the pool has let the worker go, without anything in it that has to be stopped.
    pub(crate) fn is_polite(self) -> bool {
        matches!(self, Closed::Killed(kill) if kill.is_polite())
    }
}

impl Kill {
    /// Tells whether the worker may leave by itself, because it does nothing that has to be stopped.
    pub(crate) fn is_polite(self) -> bool {
        matches!(self, Kill::Retire | Kill::Stop)
    }

    /// Returns the cause in one word, for logs and metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kill::Deadline => "deadline",
            Kill::CpuTime => "cpu_time",
            Kill::Memory => "memory",
            Kill::Cancel => "cancel",
            Kill::Idle => "idle",
            Kill::Protocol => "protocol",
            Kill::Stuck => "stuck",
            Kill::Retire => "retire",
            Kill::Stop => "stop",
        }
    }

    /// Returns what became of the job for which the worker was ended, for the metrics.
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Kill::Cancel => Outcome::Cancelled,
            other => Outcome::Lost(other.name()),
        }
    }

    /// Returns what the job is told for which the worker was ended.
    pub(crate) fn error(self) -> Error {
        match self {
            Kill::Deadline | Kill::CpuTime | Kill::Idle | Kill::Cancel | Kill::Stuck => Error::Deadline,
            Kill::Memory => Error::Memory,
            Kill::Protocol => Error::Protocol,
            // A worker that retires has no job.
            Kill::Retire | Kill::Stop => Error::Stopping,
        }
    }
}
