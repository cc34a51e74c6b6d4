//! `Error`: everything that a call to the store can report.
//!
//! Invariant: each cause has one variant, and its message names the key or the limit that decides. An error
//! travels from the main process to a worker, so all of its fields are plain values.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a call to the store has no result.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub enum Error {
    /// The key, the prefix or the name of a topic is not valid.
    InvalidKey {
        /// The beginning of the key.
        key: String,
        /// What a valid key is.
        reason: String,
    },
    /// A value, a message or a list has too many bytes.
    TooLarge {
        /// The key, or the prefix of the list.
        key: String,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The store has no room for another value.
    Full {
        /// The limit of the store, in bytes, if the store knows it.
        limit: Option<u64>,
    },
    /// `add` found a value that is not a whole number.
    NotANumber {
        /// The key.
        key: String,
    },
    /// `add` would leave the range of an `i64`.
    Overflow {
        /// The key.
        key: String,
    },
    /// The stored value is not JSON of the type that was asked for.
    Unreadable {
        /// The key, or the name of the topic.
        key: String,
        /// What the JSON parser reports.
        message: String,
    },
    /// The value cannot be written as JSON.
    Unwritable {
        /// The key, or the name of the topic.
        key: String,
        /// What the JSON writer reports.
        message: String,
    },
    /// A worker process asked for a key that its pool was not allowed to use.
    Denied {
        /// The key.
        key: String,
    },
    /// A subscriber was too slow or its connection was interrupted, so it lost messages.
    Lagged {
        /// How many messages were lost, if the store knows it.
        missed: Option<u64>,
    },
    /// The store could not be reached in time. A write may have happened.
    Unavailable {
        /// What failed.
        message: String,
    },
    /// The store cannot do this here, such as `watch` in a worker process.
    Unsupported {
        /// What is not possible, and where it is.
        message: String,
    },
    /// [`Store::open`](crate::Store::open) was given an address that it cannot use.
    Open {
        /// The address without its password, what is wrong, and how to fix it.
        message: String,
    },
    /// The file or the server reported an error that has no variant of its own.
    Other {
        /// The error's text.
        message: String,
    },
}

impl Error {
    pub(crate) fn unavailable(message: impl Into<String>) -> Error {
        Error::Unavailable { message: message.into() }
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Error {
        Error::Unsupported { message: message.into() }
    }

    pub(crate) fn open(message: impl Into<String>) -> Error {
        Error::Open { message: message.into() }
    }

    /// Returns an error for a reply that does not belong to the call.
    pub(crate) fn strange_answer() -> Error {
        Error::Other { message: "the store gave an answer that does not belong to the call".into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::InvalidKey { key, reason } => write!(f, "invalid key {key:?}: {reason}"),
            Error::TooLarge { key, limit } => write!(f, "the value of {key:?} has more than {limit} bytes"),
            Error::Full { limit: Some(limit) } => write!(f, "the store is full: it holds at most {limit} bytes"),
            Error::Full { limit: None } => f.write_str("the store is full"),
            Error::NotANumber { key } => write!(f, "the value of {key:?} is not a whole number that `add` can change"),
            Error::Overflow { key } => write!(f, "adding to {key:?} would leave the range of a 64-bit number"),
            Error::Unreadable { key, message } => write!(f, "cannot read the value of {key:?}: {message}"),
            Error::Unwritable { key, message } => write!(f, "cannot write the value of {key:?} as JSON: {message}"),
            Error::Denied { key } => {
                write!(f, "this pool may not use {key:?} in this way: allow it where the pool is declared")
            }
            Error::Lagged { missed: Some(missed) } => write!(f, "the subscriber lost {missed} messages"),
            Error::Lagged { missed: None } => f.write_str("the subscriber lost messages while the connection was lost"),
            Error::Unavailable { message } => write!(f, "the store is not available: {message}"),
            Error::Unsupported { message } | Error::Open { message } | Error::Other { message } => f.write_str(message),
        }
    }
}

impl std::error::Error for Error {}
