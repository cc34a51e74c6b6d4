//! `Backend`: where the values are. Takes an `Op` and gives an `Answer`, at once or later.
//!
//! Invariant: every operation is checked here before a back end sees it, except that a worker leaves the check
//! to its main process.

#[cfg(feature = "file")]
mod file;
mod memory;
#[cfg(not(feature = "file"))]
#[path = "backend/no_file.rs"]
mod file;
#[cfg(not(feature = "redis"))]
#[path = "backend/no_redis.rs"]
mod redis;
#[cfg(feature = "redis")]
mod redis;
mod remote;

use std::{
    pin::Pin,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use self::{file::File, memory::Memory, redis::Redis};
use crate::{
    Error,
    feed::{Hub, Subject},
    limits::Limits,
    op::{Answer, Op, Verb},
};

#[cfg(test)]
pub(crate) use self::memory::Trees;
pub use self::remote::Transport;
pub(crate) use self::remote::{decode, encode};

/// An answer that takes time. Its time is bounded, and any thread may poll it.
pub(crate) type Later = Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send>>;

/// Who waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// A task of a runtime, which polls.
    Task,
    /// A thread, which sleeps until the answer is there.
    Thread,
}

pub(crate) enum Started {
    Now(Result<Answer, Error>),
    #[cfg_attr(not(any(feature = "file", feature = "redis")), expect(dead_code, reason = "memory answers at once"))]
    Later(Later),
}

pub(crate) struct Backend {
    kind: Kind,
    hub: Arc<Hub>,
    limits: Limits,
}

enum Kind {
    Memory(Memory),
    File(File),
    Redis(Redis),
    Remote(Transport),
}

impl Backend {
    pub(crate) fn memory(limits: Limits) -> Backend {
        Backend { kind: Kind::Memory(Memory::new(&limits)), hub: Arc::default(), limits }
    }

    pub(crate) fn remote(transport: Transport) -> Backend {
        Backend { kind: Kind::Remote(transport), hub: Arc::default(), limits: Limits::default() }
    }

    /// Opens the store at an address, as [`Store::open`](crate::Store::open) describes it.
    pub(crate) fn open(address: &str, limits: Limits) -> Result<Backend, Error> {
        let hub = Arc::default();
        let kind = match address.split_once(':').unwrap_or((address, "")) {
            ("memory", "") => Kind::Memory(Memory::new(&limits)),
            ("redb", path) => Kind::File(File::open(path, &limits, &hub)?),
            ("redis" | "rediss", _) => Kind::Redis(Redis::open(address, &limits, &hub)?),
            _ => {
                // Part of it may be a password.
                let shown = address.rsplit('@').next().unwrap_or_default();
                return Err(Error::open(format!(
                    "invalid address of a store {shown:?}: use \"memory\", \"redb:PATH\" or \"redis://HOST:PORT\""
                )));
            }
        };
        Ok(Backend { kind, hub, limits })
    }

    pub(crate) fn attach(&self) {
        if let Kind::Redis(redis) = &self.kind {
            redis.attach();
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match &self.kind {
            Kind::Memory(_) => "memory",
            Kind::File(_) => "file",
            Kind::Redis(_) => "Redis",
            Kind::Remote(_) => "main process",
        }
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn check(&self) {
        if let Kind::Memory(memory) = &self.kind {
            memory.check();
        }
    }

    pub(crate) fn is_shared(&self) -> bool {
        matches!(self.kind, Kind::Redis(_))
    }

    pub(crate) fn start(&self, op: &Op, caller: Caller) -> Started {
        if let Kind::Remote(transport) = &self.kind {
            return Started::Now(remote::answer(transport, op));
        }
        if let Err(error) = op.check(&self.limits) {
            return Started::Now(Err(error));
        }
        match (&self.kind, &op.verb) {
            (Kind::Redis(redis), _) => redis.start(op, caller),
            (_, Verb::Publish { message }) => {
                self.hub.publish(&op.key, message.clone());
                Started::Now(Ok(Answer::Done))
            }
            (_, Verb::Subscribe) => Started::Now(Ok(Answer::Feed(self.hub.subscribe(Subject::Topic, &op.key)))),
            (_, Verb::Watch) => Started::Now(Ok(Answer::Feed(self.hub.subscribe(Subject::Prefix, &op.key)))),
            (Kind::Memory(memory), _) => Started::Now(memory.answer(op, &self.hub)),
            (Kind::File(file), _) => file.start(op),
            (Kind::Remote(_), _) => Started::Now(Err(Error::strange_answer())),
        }
    }
}

/// Returns the microseconds since the Unix epoch.
fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
