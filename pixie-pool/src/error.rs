//! Everything that can go wrong with a job, as its submitter sees it.
//!
//! Owns the errors of the main process and the failure that a handler reports. Invariant: each cause has one
//! variant, and its message names the setting that decides, if there is one.

use std::{borrow::Cow, fmt, io, time::Duration};

use crate::platform;

/// Why a job has no reply.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The queue is full; the job was not started.
    QueueFull {
        /// When to try again.
        retry_after: Duration,
    },
    /// No worker became free within [`queue_timeout`](crate::Config::queue_timeout); the job was not started.
    QueueTimeout {
        /// When to try again.
        retry_after: Duration,
    },
    /// The job missed its [`deadline`](crate::Config::deadline) and its worker was killed.
    Deadline,
    /// The job used more CPU time than [`cpu_time`](crate::Config::cpu_time) and its worker was killed.
    CpuTime,
    /// The worker sent no part of a streamed reply for
    /// [`stream_idle_timeout`](crate::Config::stream_idle_timeout) and was killed.
    Idle,
    /// The job was canceled, did not end within [`cancel_grace`](crate::Config::cancel_grace), and its worker
    /// was killed.
    Canceled,
    /// The worker did not answer the pool and was killed, together with the job.
    Stuck,
    /// The worker used more than [`memory`](crate::Config::memory) while it ran the job and was killed.
    Memory,
    /// The worker had more threads than [`thread_limit`](crate::Config::thread_limit) while it ran the job
    /// and was killed.
    Threads,
    /// The worker exited while it ran the job.
    Exited(Exit),
    /// The handler panicked; the worker continues.
    Panicked {
        /// The panic's message.
        message: String,
        /// Where the handler panicked, as `file:line:column`.
        location: Option<String>,
    },
    /// The handler reported an error, or dropped the job without a reply.
    Failed {
        /// The error's message.
        message: String,
    },
    /// The worker sent bytes that the protocol forbids and was killed.
    Protocol,
    /// The reply is larger than [`collect_limit`](crate::Config::collect_limit); the rest of it was not read.
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The submitted body could not be read. The kind [`TimedOut`](io::ErrorKind::TimedOut): at the job's
    /// deadline or idle timeout the handler had read all of it that has arrived. Then the job was canceled,
    /// and its worker continues unless it does not end in time.
    Body(io::Error),
    /// The same job has crashed several workers within a minute; it was not started again.
    RepeatCrash,
    /// The pool is shutting down; the job was not started.
    Stopping,
    /// Workers exit before they are ready, so the pool refuses jobs for a while; the job was not started.
    Unavailable {
        /// When to try again.
        retry_after: Duration,
    },
    /// The pool could not be started.
    Start(String),
    /// A task's arguments or its output cannot be encoded or decoded; the message says which and why.
    Encoding(String),
    /// The pool was started with its own handler and runs no tasks; the task was not started.
    NoTasks,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::QueueFull { .. } => "the pool's queue is full",
            Error::QueueTimeout { .. } => "no worker became free within the queue timeout",
            Error::Deadline => "the job missed its deadline and its worker was killed",
            Error::CpuTime => "the job used more CPU time than `cpu_time` allows and its worker was killed",
            Error::Idle => "the worker sent no part of its reply for the `stream_idle_timeout` and was killed",
            Error::Canceled => "the job was canceled, did not end within the `cancel_grace`, and its worker was killed",
            Error::Stuck => "the worker did not answer the pool and was killed",
            Error::Memory => "the worker used more memory than `memory` allows and was killed",
            Error::Threads => "the worker had more threads than `thread_limit` allows and was killed",
            Error::RepeatCrash => "the same job has crashed several workers and is refused for a minute",
            Error::Exited(exit) => return write!(f, "the worker exited while it ran the job: {exit}"),
            Error::Panicked { message, location: Some(place) } => {
                return write!(f, "the handler panicked at {place}: {message}");
            }
            Error::Panicked { message, location: None } => return write!(f, "the handler panicked: {message}"),
            Error::Failed { message } => return write!(f, "the handler failed: {message}"),
            Error::Protocol => "the worker broke the protocol and was killed",
            Error::TooLarge { limit } => {
                return write!(
                    f,
                    "the reply has more than the {limit} bytes that may be kept in memory: raise `collect_limit`, or read it in pieces"
                );
            }
            Error::Body(error) => return write!(f, "reading the submitted body failed: {error}"),
            Error::Stopping => "the pool is shutting down",
            Error::Unavailable { .. } => "the pool's workers exit before they are ready",
            Error::Start(message) => return write!(f, "starting the pool failed: {message}"),
            Error::Encoding(message) => message,
            Error::NoTasks => "this pool runs no tasks: start it with `start_tasks()`",
        })
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

/// How a worker exited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exit {
    /// The exit code, if the process exited by itself.
    pub code: Option<i32>,
    /// The signal that ended the process.
    pub signal: Option<i32>,
    /// The last lines that the process wrote to stderr, unchanged.
    pub stderr: String,
}

impl Exit {
    /// Returns the cause: `stack overflow`, `out of memory`, `panic`, the signal's name, or `exit code N`.
    ///
    /// Rust ends a process by the same signal for the first three causes, so the last lines of stderr tell
    /// them apart. A compromised worker can choose among these words.
    pub fn cause(&self) -> Cow<'static, str> {
        let wrote = |words| self.stderr.contains(words);
        match (self.signal, self.code) {
            (Some(signal), _) => match platform::signal_name(signal) {
                Some("SIGABRT") if wrote("has overflowed its stack") => "stack overflow".into(),
                Some("SIGABRT") if wrote("memory allocation of ") => "out of memory".into(),
                // Where panics unwind, the lines may hold a caught panic of an earlier job.
                Some("SIGABRT") if wrote("non-unwinding panic") || cfg!(panic = "abort") && wrote("panicked at ") => {
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
        f.write_str(&self.cause())
    }
}

/// What a handler reports instead of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// Whether the handler panicked; otherwise it reported an error.
    pub is_panic: bool,
    /// The message of the panic or the error.
    pub message: String,
    /// Where it happened, as `file:line:column`.
    pub location: Option<String>,
}

impl Failure {
    /// Returns a failure with this message that is not a panic.
    pub fn error(message: impl Into<String>) -> Self {
        Failure { is_panic: false, message: message.into(), location: None }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let Failure { is_panic, message, location } = failure;
        if is_panic { Error::Panicked { message, location } } else { Error::Failed { message } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_that_share_a_signal_are_told_apart_by_stderr() {
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

    #[test]
    fn each_kill_cause_has_a_message_of_its_own() {
        let causes = [
            Error::Deadline,
            Error::CpuTime,
            Error::Idle,
            Error::Canceled,
            Error::Stuck,
            Error::Memory,
            Error::Threads,
            Error::Protocol,
        ];
        let messages: std::collections::BTreeSet<_> = causes.iter().map(Error::to_string).collect();
        assert_eq!(messages.len(), causes.len(), "{messages:?}");
        assert!(messages.iter().all(|message| message.ends_with("killed")), "{messages:?}");
    }
}
