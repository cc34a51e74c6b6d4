//! `Hub`: gives messages and changes to subscribers in this process. `Feed` is what one subscriber reads.
//!
//! Invariant: at most 64 events wait for a subscriber. A subscriber that is slower loses the oldest and is told
//! how many. A publisher never waits. A topic without subscribers needs no memory.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

use bytes::Bytes;
use tokio::sync::{
    broadcast::{self, Receiver, Sender, error::RecvError},
    mpsc::UnboundedSender,
};

use crate::{Error, limits::FEED_MESSAGES_MAX};

/// What happened to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The key, without the namespaces of the store that watches.
    pub key: String,
    /// What happened.
    pub kind: ChangeKind,
}

/// The kinds of [`Change`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChangeKind {
    /// The key has a new value.
    Put,
    /// The key was deleted.
    Deleted,
    /// The key has expired. The store reports this when it removes the value, which can be later than the expiry.
    Expired,
}

#[derive(Clone, Debug)]
pub(crate) enum Event {
    Message(Bytes),
    Change(Change),
    /// The connection to the server was lost, so messages may be missing.
    #[cfg(feature = "redis")]
    Gap,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Topic,
    Prefix,
}

type Senders = RwLock<HashMap<String, Sender<Event>>>;

#[derive(Debug, Default)]
pub(crate) struct Hub {
    topics: Senders,
    prefixes: Senders,
    /// Is told which subject has lost its last subscriber.
    left: OnceLock<UnboundedSender<(Subject, String)>>,
}

impl Hub {
    fn senders(&self, subject: Subject) -> &Senders {
        match subject {
            Subject::Topic => &self.topics,
            Subject::Prefix => &self.prefixes,
        }
    }

    pub(crate) fn subscribe(self: &Arc<Hub>, subject: Subject, name: &str) -> Feed {
        let mut senders = self.senders(subject).write().unwrap_or_else(PoisonError::into_inner);
        let receiver = match senders.get(name) {
            Some(sender) => sender.subscribe(),
            None => {
                let (sender, receiver) = broadcast::channel(FEED_MESSAGES_MAX);
                senders.insert(name.into(), sender);
                receiver
            }
        };
        Feed { receiver, _seat: Seat { hub: self.clone(), subject, name: name.into() } }
    }

    pub(crate) fn publish(&self, topic: &str, message: Bytes) {
        let senders = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = senders.get(topic) {
            // Fails only without subscribers.
            let _ = sender.send(Event::Message(message));
        }
    }

    /// Tells all who watch the key.
    pub(crate) fn changed(&self, key: &str, kind: ChangeKind) {
        let senders = self.prefixes.read().unwrap_or_else(PoisonError::into_inner);
        for (_, sender) in senders.iter().filter(|(prefix, _)| is_seen(prefix, key)) {
            let _ = sender.send(Event::Change(Change { key: key.into(), kind }));
        }
    }
}

/// Returns whether a watcher of the prefix sees the key. Keys of the framework are seen only by those who ask for
/// them.
fn is_seen(prefix: &str, key: &str) -> bool {
    key.starts_with(prefix) && (!prefix.is_empty() || !key.starts_with('.'))
}

/// For back ends whose events come from a server.
#[cfg(feature = "redis")]
impl Hub {
    /// Asks to be told which subject has lost its last subscriber. Works once.
    pub(crate) fn tell_left(&self, left: UnboundedSender<(Subject, String)>) {
        // Each back end has a hub of its own.
        let _ = self.left.set(left);
    }

    pub(crate) fn has(&self, subject: Subject, name: &str) -> bool {
        self.senders(subject).read().unwrap_or_else(PoisonError::into_inner).contains_key(name)
    }

    pub(crate) fn names(&self, subject: Subject) -> Vec<String> {
        self.senders(subject).read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// Tells those who watch this prefix, and not those who watch another prefix of the same key.
    pub(crate) fn changed_under(&self, prefix: &str, key: &str, kind: ChangeKind) {
        let senders = self.prefixes.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = senders.get(prefix).filter(|_| is_seen(prefix, key)) {
            let _ = sender.send(Event::Change(Change { key: key.into(), kind }));
        }
    }

    /// Tells all subscribers that messages may be missing.
    pub(crate) fn gap(&self) {
        for senders in [&self.topics, &self.prefixes] {
            for sender in senders.read().unwrap_or_else(PoisonError::into_inner).values() {
                let _ = sender.send(Event::Gap);
            }
        }
    }
}

#[derive(Debug)]
pub(crate) struct Feed {
    receiver: Receiver<Event>,
    // After the receiver, which must be gone before the seat counts those that are left.
    _seat: Seat,
}

impl Feed {
    pub(crate) async fn next(&mut self) -> Result<Event, Error> {
        match self.receiver.recv().await {
            #[cfg(feature = "redis")]
            Ok(Event::Gap) => Err(Error::Lagged { missed: None }),
            Ok(event) => Ok(event),
            Err(RecvError::Lagged(missed)) => Err(Error::Lagged { missed: Some(missed) }),
            Err(RecvError::Closed) => Err(Error::unavailable("the store was closed")),
        }
    }
}

/// Removes the topic when its last subscriber is gone.
#[derive(Debug)]
struct Seat {
    hub: Arc<Hub>,
    subject: Subject,
    name: String,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut senders = self.hub.senders(self.subject).write().unwrap_or_else(PoisonError::into_inner);
        if senders.get(&self.name).is_some_and(|sender| sender.receiver_count() == 0) {
            senders.remove(&self.name);
            if let Some(left) = self.hub.left.get() {
                // Fails if the back end has ended.
                let _ = left.send((self.subject, self.name.clone()));
            }
        }
    }
}
