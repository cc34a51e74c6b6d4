//! Why a worker's connection was closed.
//!
//! Owns the causes and what they mean for the job that was running. Rule: every cause has exactly one error.

use crate::{error::Error, pool::metrics::Outcome};

/// Why the pool ended a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kill {
    Deadline,
    Cancel,
    Idle,
    Protocol,
    /// It did not say in time what it had not started.
    Stuck,
    Stop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// The pool has ended it.
    Killed(Kill),
    /// The process has ended; what it sent before may still be read.
    Exited,
}

impl Kill {
    /// Returns the cause in one word, for logs and metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kill::Deadline => "deadline",
            Kill::Cancel => "cancel",
            Kill::Idle => "idle",
            Kill::Protocol => "protocol",
            Kill::Stuck => "stuck",
            Kill::Stop => "stop",
        }
    }

    /// Returns what became of the job for which the worker was ended, for the metrics.
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Kill::Cancel => Outcome::Cancelled,
            Kill::Deadline | Kill::Idle | Kill::Protocol | Kill::Stuck | Kill::Stop => Outcome::Lost(self.name()),
        }
    }

    /// Returns what the job is told for which the worker was ended.
    pub(crate) fn error(self) -> Error {
        match self {
            Kill::Deadline | Kill::Idle | Kill::Cancel | Kill::Stuck => Error::Deadline,
            Kill::Protocol => Error::Protocol,
            Kill::Stop => Error::Stopping,
        }
    }
}
