//! `Store`: the typed operations, on keys inside of a namespace.
//!
//! Turns each call into an `Op` with the complete key and JSON, and reads the answer. Invariant: a handle of the
//! user never reaches a key that begins with `.`.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Allowance, Error, Rate, Topic, Watch,
    backend::{Backend, Transport},
    call::{Call, Read, Write},
    limits::{Limits, check_key, check_prefix, invalid},
    op::{Answer, Op, Verb},
};

/// A handle to a store. Clones are cheap and reach the same values.
///
/// Keys are text of 1 to 512 bytes without control characters that does not begin with a dot. Values are anything
/// that serde can turn into JSON.
///
/// ```
/// use pixie_store::Store;
/// let store = Store::memory();
/// store.put("name", &"Ada").wait()?;
/// assert_eq!(store.get::<String>("name").wait()?.as_deref(), Some("Ada"));
/// assert_eq!(store.add("visits", 1).wait()?, 1);
/// assert_eq!(store.get::<i64>("visits").wait()?, Some(1));
/// # Ok::<(), pixie_store::Error>(())
/// ```
#[derive(Clone)]
pub struct Store {
    backend: Arc<Backend>,
    /// What each key begins with: empty, or names that end with a slash.
    prefix: Arc<str>,
    /// Whether the prefix begins with a dot: the keys belong to the framework.
    is_reserved: bool,
}

/// The content of a value at one moment, for [`Store::put_if`].
///
/// It compares the stored text itself, so a value that was changed and changed back counts as unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(Bytes);

/// A value with its version.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry<T> {
    /// The value.
    pub value: T,
    /// What [`Store::put_if`] compares.
    pub version: Version,
}

/// The limits of a store: [`Store::builder`].
#[derive(Clone, Debug)]
pub struct Builder {
    limits: Limits,
}

impl Builder {
    /// Sets how many bytes all keys and values may need together, with 200 bytes for the place of each; 64 MiB by
    /// default. With Redis, the server's `maxmemory` decides instead.
    pub fn bytes_max(mut self, bytes: u64) -> Builder {
        self.limits.bytes_max = bytes;
        self
    }

    /// Sets how many bytes a value or a message may have as JSON; 256 KiB by default.
    pub fn value_bytes_max(mut self, bytes: usize) -> Builder {
        self.limits.value_bytes_max = bytes;
        self
    }

    /// Sets how long a call may wait for Redis; 2 seconds by default.
    pub fn timeout(mut self, time: Duration) -> Builder {
        self.limits.timeout = time;
        self
    }

    /// Opens the store at an address, like [`Store::open`].
    pub fn open(self, address: &str) -> Result<Store, Error> {
        Backend::open(address, self.limits).map(Store::new)
    }
}

impl Store {
    fn new(backend: Backend) -> Store {
        Store { backend: Arc::new(backend), prefix: "".into(), is_reserved: false }
    }

    /// Returns an empty store in the memory of this process.
    pub fn memory() -> Store {
        Store::new(Backend::memory(Limits::default()))
    }

    /// Opens the store at an address:
    ///
    /// - `memory`: in the memory of this process, gone when the process exits.
    /// - `redb:PATH`: a file, whose folder is created if it does not exist (feature `file`).
    /// - `redis://HOST:PORT`, `rediss://HOST:PORT` with TLS: Redis or Valkey (feature `redis`).
    ///
    /// # Errors
    ///
    /// [`Error::Open`] if the address is not valid, its feature is missing, or the file cannot be opened.
    pub fn open(address: &str) -> Result<Store, Error> {
        Store::builder().open(address)
    }

    /// Returns a builder, for other limits.
    pub fn builder() -> Builder {
        Builder { limits: Limits::default() }
    }

    /// Returns the store of the main process, for a worker process. `transport` carries a message to the
    /// [`Gate`](crate::Gate) of the main process and returns its answer.
    pub fn remote(transport: Transport) -> Store {
        Store::new(Backend::remote(transport))
    }

    /// Lets the tokio runtime of this thread drive a connection to Redis, for the calls that its tasks await. They
    /// save two changes of threads. Works once, needs a runtime with I/O and time, and does nothing in other stores.
    pub fn attach(&self) {
        self.backend.attach();
    }

    /// Returns the same store with `name/` in front of every key. Namespaces nest.
    ///
    /// ```
    /// # use pixie_store::Store;
    /// # let store = Store::memory();
    /// let orders = store.namespace("orders");
    /// orders.put("7", &"paid").wait()?;
    /// assert_eq!(store.get::<String>("orders/7").wait()?.as_deref(), Some("paid"));
    /// # Ok::<(), pixie_store::Error>(())
    /// ```
    pub fn namespace(&self, name: &str) -> Store {
        Store { prefix: format!("{}{name}/", self.prefix).into(), ..self.clone() }
    }

    /// Returns the part of the store that belongs to a part of the framework, such as `session`.
    #[doc(hidden)]
    pub fn reserved(&self, name: &str) -> Store {
        Store { prefix: format!(".{name}/{}", self.prefix).into(), is_reserved: true, ..self.clone() }
    }

    /// Returns whether programs on other machines share the values.
    pub fn is_shared(&self) -> bool {
        self.backend.is_shared()
    }

    /// Reads the value of a key.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Call<Option<T>> {
        self.call(self.op(key, |_| Ok(Verb::Get)), |answer, op, _| match answer {
            Answer::Value(None) => Ok(None),
            Answer::Value(Some(value)) => from_json(&op.key, &value).map(Some),
            _ => Err(Error::strange_answer()),
        })
    }

    /// Reads the value of a key with its version, for [`put_if`](Self::put_if).
    pub fn entry<T: DeserializeOwned>(&self, key: &str) -> Call<Option<Entry<T>>> {
        self.call(self.op(key, |_| Ok(Verb::Get)), |answer, op, _| match answer {
            Answer::Value(None) => Ok(None),
            Answer::Value(Some(text)) => Ok(Some(Entry { value: from_json(&op.key, &text)?, version: Version(text) })),
            _ => Err(Error::strange_answer()),
        })
    }

    /// Writes the value of a key.
    pub fn put<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Write<()> {
        let op = self.op(key, |key| Ok(Verb::Put { value: to_json(key, value)?, expires_ms: None }));
        Write(self.call(op, done))
    }

    /// Writes the value of a key if the key still has the version, or does not exist if there is no version.
    /// Returns whether it was written.
    ///
    /// ```
    /// # use pixie_store::Store;
    /// # let store = Store::memory();
    /// # store.put("cart", &vec!["apple"]).wait()?;
    /// loop {
    ///     let entry = store.entry::<Vec<String>>("cart").wait()?.expect("there is a cart");
    ///     let mut cart = entry.value;
    ///     cart.push("pear".into());
    ///     if store.put_if("cart", Some(&entry.version), &cart).wait()? {
    ///         break;
    ///     }
    /// }
    /// # Ok::<(), pixie_store::Error>(())
    /// ```
    pub fn put_if<T: Serialize + ?Sized>(&self, key: &str, version: Option<&Version>, value: &T) -> Write<bool> {
        let version = version.map(|version| version.0.clone());
        let op = self.op(key, |key| Ok(Verb::PutIf { version, value: to_json(key, value)?, expires_ms: None }));
        Write(self.call(op, truth))
    }

    /// Adds to a whole number as one atomic step, and returns the sum. A key that does not exist counts as 0.
    ///
    /// # Errors
    ///
    /// [`Error::NotANumber`] if the value is something else, [`Error::Overflow`] if the sum is not an `i64`.
    pub fn add(&self, key: &str, by: i64) -> Write<i64> {
        let op = self.op(key, |_| Ok(Verb::Add { by, expires_ms: None }));
        Write(self.call(op, |answer, _, _| match answer {
            Answer::Number(sum) => Ok(sum),
            _ => Err(Error::strange_answer()),
        }))
    }

    /// Deletes a key, and returns whether it existed.
    pub fn delete(&self, key: &str) -> Call<bool> {
        self.call(self.op(key, |_| Ok(Verb::Delete)), truth)
    }

    /// Returns the first `limit` keys that begin with `prefix`, with their values, in the order of the keys. At
    /// most 10 000 keys and 16 MiB.
    pub fn list<T: DeserializeOwned>(&self, prefix: &str, limit: usize) -> Call<Vec<(String, T)>> {
        let op = self.op_on_prefix(prefix, Verb::List { limit });
        self.call(op, |answer, _, cut| {
            let Answer::List(found) = answer else { return Err(Error::strange_answer()) };
            let typed = |(key, value): (String, Bytes)| {
                let value = from_json(&key, &value)?;
                Ok((key.get(cut..).unwrap_or_default().to_owned(), value))
            };
            found.into_iter().map(typed).collect()
        })
    }

    /// Watches all keys that begin with `prefix`: changes after this call has ended arrive. In the main process
    /// only.
    pub fn watch(&self, prefix: &str) -> Call<Watch> {
        self.call(self.op_on_prefix(prefix, Verb::Watch), Watch::read)
    }

    /// Returns the topic with this name. Topics and keys have separate names.
    pub fn topic<T: Serialize + DeserializeOwned>(&self, name: &str) -> Topic<T> {
        Topic::new(self.clone(), name.into())
    }

    /// Takes one use out of the token bucket of a key, as one atomic step. The first use makes the bucket, and a
    /// full bucket is removed.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use pixie_store::{Rate, Store};
    /// # let store = Store::memory();
    /// let rate = Rate::new(2, Duration::from_secs(60));
    /// assert!(store.take("mail/ada", &rate).wait()?.is_allowed);
    /// assert!(store.take("mail/ada", &rate).wait()?.is_allowed);
    /// let third = store.take("mail/ada", &rate).wait()?;
    /// assert!(!third.is_allowed && third.retry_after > Duration::from_secs(29));
    /// # Ok::<(), pixie_store::Error>(())
    /// ```
    pub fn take(&self, key: &str, rate: &Rate) -> Call<Allowance> {
        let rate = *rate;
        self.call(self.op(key, |_| Ok(Verb::Take { rate })), |answer, _, _| match answer {
            Answer::Allowance(allowance) => Ok(allowance),
            _ => Err(Error::strange_answer()),
        })
    }

    pub(crate) fn call<T>(&self, op: Result<Op, Error>, read: Read<T>) -> Call<T> {
        Call::new(self.backend.clone(), op, self.prefix.len(), read)
    }

    /// Makes an operation on a key of the user.
    pub(crate) fn op(&self, key: &str, verb: impl FnOnce(&str) -> Result<Verb, Error>) -> Result<Op, Error> {
        check_key(key)?;
        let key = self.complete(key)?;
        Ok(Op { verb: verb(&key)?, key })
    }

    fn op_on_prefix(&self, prefix: &str, verb: Verb) -> Result<Op, Error> {
        check_prefix(prefix)?;
        Ok(Op { key: self.complete(prefix)?, verb })
    }

    fn complete(&self, key: &str) -> Result<String, Error> {
        let key = [&self.prefix, key].concat();
        match key.starts_with('.') && !self.is_reserved {
            true => Err(invalid(&key, "keys that begin with a dot belong to the framework")),
            false => Ok(key),
        }
    }

    pub(crate) fn backend(&self) -> &Arc<Backend> {
        &self.backend
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("backend", &self.backend.name()).field("prefix", &self.prefix).finish()
    }
}

pub(crate) fn done(answer: Answer, _: &Op, _: usize) -> Result<(), Error> {
    match answer {
        Answer::Done => Ok(()),
        _ => Err(Error::strange_answer()),
    }
}

fn truth(answer: Answer, _: &Op, _: usize) -> Result<bool, Error> {
    match answer {
        Answer::Bool(truth) => Ok(truth),
        _ => Err(Error::strange_answer()),
    }
}

pub(crate) fn to_json<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<Bytes, Error> {
    match serde_json::to_vec(value) {
        Ok(json) => Ok(json.into()),
        Err(error) => Err(Error::Unwritable { key: key.into(), message: error.to_string() }),
    }
}

pub(crate) fn from_json<T: DeserializeOwned>(key: &str, json: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(json).map_err(|error| Error::Unreadable { key: key.into(), message: error.to_string() })
}
