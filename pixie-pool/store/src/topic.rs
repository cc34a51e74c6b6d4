//! `Topic`, `Subscription` and `Watch`: messages to whoever listens now, and changes of keys.
//!
//! Nothing is kept for a subscriber that comes later.

use std::{fmt, marker::PhantomData};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Change, Error, Store,
    call::Call,
    feed::{Event, Feed},
    op::{Answer, Op, Verb},
    store::{done, from_json, to_json},
};

/// A name under which messages of one type are sent to all who subscribe at that moment.
///
/// ```
/// # use pixie_store::{Error, Store};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// let store = Store::memory();
/// let progress = store.topic::<u8>("progress/42");
/// let mut subscription = progress.subscribe().await?;
/// progress.publish(&50).await?;
/// assert_eq!(subscription.next().await?, 50);
/// # Ok(())
/// # }
/// ```
pub struct Topic<T> {
    store: Store,
    name: String,
    message: PhantomData<fn(T) -> T>,
}

impl<T: Serialize + DeserializeOwned> Topic<T> {
    pub(crate) fn new(store: Store, name: String) -> Topic<T> {
        Topic { store, name, message: PhantomData }
    }

    /// Sends a message to all subscribers, in all processes and machines that share the store. Does not wait for
    /// them. With Redis, a message that is sent while the connection is lost is an error.
    pub fn publish(&self, message: &T) -> Call<()> {
        let op = self.store.op(&self.name, |key| Ok(Verb::Publish { message: to_json(key, message)? }));
        self.store.call(op, done)
    }

    /// Subscribes: messages that are sent after this call has ended arrive. In the main process only.
    pub fn subscribe(&self) -> Call<Subscription<T>> {
        let op = self.store.op(&self.name, |_| Ok(Verb::Subscribe));
        self.store.call(op, |answer, op, _| match answer {
            Answer::Feed(feed) => Ok(Subscription { feed, name: op.key.clone(), message: PhantomData }),
            _ => Err(Error::strange_answer()),
        })
    }
}

impl<T> Clone for Topic<T> {
    fn clone(&self) -> Self {
        Topic { store: self.store.clone(), name: self.name.clone(), message: PhantomData }
    }
}

impl<T> fmt::Debug for Topic<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topic").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The messages of a [`Topic`], from the moment of the subscription.
pub struct Subscription<T> {
    feed: Feed,
    name: String,
    message: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Subscription<T> {
    /// Waits for the next message. Dropping the future loses no message.
    ///
    /// # Errors
    ///
    /// [`Error::Lagged`] if messages were lost: more than 64 were waiting, or the connection to Redis was lost.
    /// [`Error::Unreadable`] if a message is not a `T`. The subscription continues after both.
    pub async fn next(&mut self) -> Result<T, Error> {
        match self.feed.next().await? {
            Event::Message(message) => from_json(&self.name, &message),
            _ => Err(Error::strange_answer()),
        }
    }
}

impl<T> fmt::Debug for Subscription<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The changes of all keys with one beginning, from [`Store::watch`].
#[derive(Debug)]
pub struct Watch {
    feed: Feed,
    cut: usize,
}

impl Watch {
    pub(crate) fn read(answer: Answer, _: &Op, cut: usize) -> Result<Watch, Error> {
        match answer {
            Answer::Feed(feed) => Ok(Watch { feed, cut }),
            _ => Err(Error::strange_answer()),
        }
    }

    /// Waits for the next change. Dropping the future loses no change.
    ///
    /// # Errors
    ///
    /// [`Error::Lagged`] if changes were lost. The watch continues; read the keys again.
    pub async fn next(&mut self) -> Result<Change, Error> {
        match self.feed.next().await? {
            Event::Change(Change { key, kind }) => {
                Ok(Change { key: key.get(self.cut..).unwrap_or_default().into(), kind })
            }
            _ => Err(Error::strange_answer()),
        }
    }
}
