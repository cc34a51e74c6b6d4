//! Everything that can go wrong with a job, as seen by whoever submitted it.
//!
//! Owns the errors of the parent side and the failure that a handler reports. Leaves their translation
//! into answers to the caller. Rule: a message names what was being done and, if there is one, the remedy.

use std::{borrow::Cow, fmt, io, time::Duration};

use crate::platform;

/// Why a job was not answered.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The queue is full; nothing was started.
    QueueFull {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// No worker became free within the queue time-out; nothing was started.
    QueueTimeout {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// The job missed its deadline, or used more CPU time than one may, and its worker was killed.
    Deadline,
    /// The worker had more memory than one may while it ran the job, and was killed.
    Memory,
    /// The worker died while it ran the job.
    Died(Exit),
    /// The handler panicked; the worker lives.
    Panicked {
        /// What the panic said.
        message: String,
        /// Where it happened, as `file:line:column`.
        location: Option<String>,
    },
    /// The handler reported an error, or left the job unanswered.
    Failed {
        /// What it said.
        message: String,
    },
    /// The worker sent something that the protocol forbids and was killed.
    Protocol,
    /// The answer is larger than what may be read into memory, and the rest of it was left.
    TooLarge {
        /// Bytes that may be, which is [`Config::collect_limit`](crate::Config::collect_limit).
        limit: u64,
    },
    /// The submitted body could not be read.
    Body(io::Error),
    /// The same job has just crashed worker after worker; nothing was started.
    Poison,
    /// The pool is shutting down; nothing was started.
    Stopping,
    /// Workers die before they are ready, so the pool refuses for a while; nothing was started.
    Unavailable {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// The pool could not be started.
    Start(String),
    /// What a task takes or returns cannot be encoded or decoded; says which and why.
    Encoding(String),
    /// The pool was started with a handler of its own and runs no tasks; nothing was started.
    NoTasks,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::QueueFull { .. } => f.write_str("the pool's queue is full"),
            Error::QueueTimeout { .. } => f.write_str("no worker became free in time"),
            Error::Deadline => f.write_str("the job missed its deadline and its worker was killed"),
            Error::Memory => f.write_str("the job took more memory than a worker may have and its worker was killed"),
            Error::Poison => {
                f.write_str("the same job has just crashed worker after worker and is refused for a minute")
            }
            Error::Died(exit) => write!(f, "the worker died while running the job: {exit}"),
            Error::Panicked { message, location: Some(place) } => {
                write!(f, "the handler panicked at {place}: {message}")
            }
            Error::Panicked { message, location: None } => write!(f, "the handler panicked: {message}"),
            Error::Failed { message } => write!(f, "the handler failed: {message}"),
            Error::Protocol => f.write_str("the worker broke the protocol and was killed"),
            Error::TooLarge { limit } => write!(
                f,
                "the answer has more than the {limit} bytes that may be kept in memory: raise `collect_limit`, or read it in pieces"
            ),
            Error::Body(error) => write!(f, "reading the submitted body failed: {error}"),
            Error::Stopping => f.write_str("the pool is shutting down"),
            Error::Unavailable { .. } => f.write_str("the pool's workers die before they are ready"),
            Error::Start(message) => write!(f, "starting the pool failed: {message}"),
            Error::Encoding(message) => f.write_str(message),
            Error::NoTasks => f.write_str("this pool runs no tasks: start it with `start_tasks()`"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Body(error) => Some(error),
            _ => None,
        }
    }
}

/// Whether no panic of this program is survived.
const PANICS_ABORT: bool = cfg!(panic = "abort");

/// How a worker ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exit {
    /// The exit code, if it left by itself.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// The last lines that it wrote to stderr, as it wrote them.
    pub stderr: String,
}

impl Exit {
    /// Returns the cause in words: `stack overflow`, `out of memory`, `panic`, the name of the signal, or `exit code N`.
    ///
    /// Rust ends a process by the same signal for the first three, so they are told apart by what it wrote last: a guess, which a
    /// worker that was taken over can lead astray, within these words.
    pub fn cause(&self) -> Cow<'static, str> {
        let wrote = |words| self.stderr.contains(words);
        match (self.signal, self.code) {
            (Some(signal), _) => match platform::signal_name(signal) {
                Some("SIGABRT") if wrote("has overflowed its stack") => "stack overflow".into(),
                Some("SIGABRT") if wrote("memory allocation of ") => "out of memory".into(),
                // Where panics unwind, an earlier one of another job may stand there, which was caught.
                Some("SIGABRT") if wrote("non-unwinding panic") || PANICS_ABORT && wrote("panicked at ") => {
                    "panic".into()
                }
                Some(name) => name.into(),
                None => format!("signal {signal}").into(),
            },
            (None, Some(code)) => format!("exit code {code}").into(),
            (None, None) => "unknown".into(),
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.signal, self.code) {
            (Some(signal), _) => write!(f, "signal {signal}"),
            (None, Some(code)) => write!(f, "exit code {code}"),
            (None, None) => f.write_str("unknown cause"),
        }
    }
}

/// What a handler reports instead of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Whether it panicked or gave up.
    pub kind: FailureKind,
    /// What happened, in words.
    pub message: String,
    /// Where, as `file:line:column`.
    pub location: Option<String>,
}

/// The two ways in which a handler fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// It panicked.
    Panic,
    /// It reported an error.
    Error,
}

impl Failure {
    /// Returns a failure that is no panic.
    pub fn error(message: impl Into<String>) -> Self {
        Failure { kind: FailureKind::Error, message: message.into(), location: None }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure.kind {
            FailureKind::Panic => Error::Panicked { message: failure.message, location: failure.location },
            FailureKind::Error => Error::Failed { message: failure.message },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_that_share_a_signal_are_told_apart_by_the_last_words() {
        let caught = "thread 'handler' panicked at src/main.rs:1:1:\nearlier, and caught\n";
        let overflow =
            "\nthread 'handler' (7) has overflowed its stack\nfatal runtime error: stack overflow, aborting\n";
        let memory = "memory allocation of 1048576 bytes failed\n";
        let panic = "thread 'handler' panicked at src/main.rs:1:1:\nthread caused non-unwinding panic. aborting.\n";
        for (signal, code, stderr, cause) in [
            (Some(6), None, "", "SIGABRT"),
            (Some(6), None, caught, "SIGABRT"),
            (Some(6), None, overflow, "stack overflow"),
            (Some(6), None, memory, "out of memory"),
            (Some(6), None, panic, "panic"),
            (Some(11), None, memory, "SIGSEGV"),
            (Some(60), None, "", "signal 60"),
            (None, Some(3), overflow, "exit code 3"),
            (None, None, "", "unknown"),
        ] {
            assert_eq!(Exit { code, signal, stderr: stderr.to_owned() }.cause(), cause, "{signal:?} {code:?} {stderr}");
        }
    }
}
