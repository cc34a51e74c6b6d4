//! `Op` and `Answer`: a call to a store as plain values, without types of the user.
//!
//! Back ends take an `Op` and give an `Answer`. A worker process sends both over its socket, encoded as
//! MessagePack. Keys are complete here: they include the namespaces.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    Allowance, Error, Rate,
    feed::Feed,
    limits::{Limits, check_key, check_prefix},
};

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Op {
    /// The key, the prefix of a list or a watch, or the name of a topic.
    pub(crate) key: String,
    pub(crate) verb: Verb,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) enum Verb {
    Get,
    Put { value: Bytes, expires_ms: Option<u64> },
    PutIf { version: Option<Bytes>, value: Bytes, expires_ms: Option<u64> },
    Add { by: i64, expires_ms: Option<u64> },
    Delete,
    List { limit: usize },
    Take { rate: Rate },
    Publish { message: Bytes },
    Subscribe,
    Watch,
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Answer {
    Done,
    Value(Option<Bytes>),
    Bool(bool),
    Number(i64),
    List(Vec<(String, Bytes)>),
    Allowance(Allowance),
    #[serde(skip)]
    Feed(Feed),
}

impl Op {
    /// Returns whether the operation changes nothing.
    pub(crate) fn is_read(&self) -> bool {
        matches!(self.verb, Verb::Get | Verb::List { .. } | Verb::Subscribe | Verb::Watch)
    }

    /// Returns whether the key is the beginning of keys.
    pub(crate) fn is_prefix(&self) -> bool {
        matches!(self.verb, Verb::List { .. } | Verb::Watch)
    }

    /// Returns whether the answer is a feed, which only the main process can have.
    pub(crate) fn is_feed(&self) -> bool {
        matches!(self.verb, Verb::Subscribe | Verb::Watch)
    }

    /// Checks what any caller, also a hostile worker, may have put into the operation.
    pub(crate) fn check(&self, limits: &Limits) -> Result<(), Error> {
        match self.is_prefix() {
            true => check_prefix(&self.key)?,
            false => check_key(&self.key)?,
        }
        match &self.verb {
            Verb::Put { value, .. } | Verb::PutIf { value, .. } | Verb::Publish { message: value } => {
                limits.check_value(&self.key, value)
            }
            _ => Ok(()),
        }
    }
}
