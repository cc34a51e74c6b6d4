//! `Gate`: answers a worker process, within what its pool was allowed.
//!
//! Invariant: every byte of a message is checked. A worker that is not honest reaches no key outside of its
//! grants, and cannot make the main process use more memory or time than an honest one.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use crate::{
    Error, Store,
    backend::{Caller, Later, Started, decode, encode},
    op::{Answer, Op},
};

/// Largest answer to a worker, in bytes: what the pool's protocol carries in one frame.
const ANSWER_BYTES_MAX: usize = 1024 * 1024 - 64;

/// What a worker process may do with the keys of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// Read and list values.
    Read,
    /// Read and list, write, add, delete, take, and publish to topics.
    ReadWrite,
}

/// The main process's side of [`Store::remote`]: checks what a worker asks for, and answers.
///
/// ```
/// use std::sync::Arc;
/// use pixie_store::{Access, Gate, Store};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), pixie_store::Error> {
/// let store = Store::memory();
/// let gate = Gate::new(store.clone(), [("progress/*", Access::ReadWrite)]);
///
/// // Here the transport is a function call. In a program it is a socket between two processes.
/// let worker = Store::remote(Arc::new(move |message| {
///     Ok(tokio::runtime::Builder::new_current_thread().build()?.block_on(gate.answer(message)))
/// }));
/// std::thread::spawn(move || {
///     worker.put("progress/42", &50).wait().unwrap();
///     assert!(worker.get::<String>("secret").wait().is_err());
/// })
/// .join()
/// .unwrap();
/// assert_eq!(store.get::<u8>("progress/42").await?, Some(50));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Gate {
    store: Store,
    grants: Vec<(String, Access)>,
}

impl Gate {
    /// Returns a gate to the keys and topics that match a pattern. A pattern is a key, or the beginning of keys
    /// with a `*` behind it. Keys that begin with a dot match only patterns that begin with one.
    pub fn new<P: Into<String>>(store: Store, grants: impl IntoIterator<Item = (P, Access)>) -> Gate {
        let grants = grants.into_iter().map(|(pattern, access)| (pattern.into(), access)).collect();
        Gate { store, grants }
    }

    /// Answers one message. The future is ready at once if the store is in memory.
    pub fn answer(&self, message: &[u8]) -> Answering {
        let cut = self.store.prefix().len();
        let started = match self.admit(message) {
            Ok(op) => self.store.backend().start(&op, Caller::Task),
            Err(error) => Started::Now(Err(error)),
        };
        match started {
            Started::Now(answer) => Answering { now: Some(reply(answer, cut)), later: None, cut },
            Started::Later(later) => Answering { now: None, later: Some(later), cut },
        }
    }

    fn admit(&self, message: &[u8]) -> Result<Op, Error> {
        let mut op: Op = decode(message).ok_or_else(|| Error::unsupported("the message is not an operation"))?;
        if op.is_feed() {
            return Err(Error::unsupported("a worker process cannot subscribe or watch"));
        }
        if !self.allows(&op) {
            return Err(Error::Denied { key: crate::limits::shortened(&op.key) });
        }
        op.key.insert_str(0, self.store.prefix());
        Ok(op)
    }

    fn allows(&self, op: &Op) -> bool {
        self.grants.iter().any(|(pattern, access)| {
            let matches = match pattern.strip_suffix('*') {
                Some(start) => op.key.starts_with(start) && op.key.starts_with('.') == start.starts_with('.'),
                None => !op.is_prefix() && op.key == *pattern,
            };
            matches && (op.is_read() || *access == Access::ReadWrite)
        })
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("store", &self.store).field("grants", &self.grants).finish()
    }
}

/// The future of [`Gate::answer`].
#[must_use = "the answer is lost unless it is awaited"]
pub struct Answering {
    now: Option<Vec<u8>>,
    later: Option<Later>,
    cut: usize,
}

impl fmt::Debug for Answering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answering").field("is_ready", &self.now.is_some()).finish_non_exhaustive()
    }
}

impl Future for Answering {
    type Output = Vec<u8>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Vec<u8>> {
        let this = self.get_mut();
        match (this.now.take(), &mut this.later) {
            (Some(now), _) => Poll::Ready(now),
            (None, Some(later)) => later.as_mut().poll(context).map(|answer| reply(answer, this.cut)),
            (None, None) => panic!("a future that has ended was polled again"),
        }
    }
}

/// Encodes an answer, with keys as the worker knows them.
fn reply(mut answer: Result<Answer, Error>, cut: usize) -> Vec<u8> {
    if let Ok(Answer::List(found)) = &mut answer {
        found.iter_mut().for_each(|(key, _)| drop(key.drain(..cut)));
    }
    let bytes = encode(&answer);
    match bytes.len() <= ANSWER_BYTES_MAX {
        true => bytes,
        false => encode(&Err::<Answer, _>(Error::TooLarge { key: String::new(), limit: ANSWER_BYTES_MAX })),
    }
}
