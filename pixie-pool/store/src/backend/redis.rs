//! `Redis`: the store in a server of Redis or Valkey.
//!
//! All calls share a connection. A call is polled by its own thread, and a thread of the store drives the connection,
//! so that `wait` works everywhere. A program may let its own runtime drive a second connection for its tasks, which
//! saves them two changes of threads. Invariant: a call ends within the timeout, also if the server is gone, and an
//! operation that may have been sent is not sent again unless it only reads.

mod address;
mod commands;
mod link;
mod notifications;
mod scripts;

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    thread,
    time::Duration,
};

use redis::{ErrorKind, RedisResult, ServerErrorKind, aio::MultiplexedConnection};
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
    time,
};

use self::{
    address::Address,
    link::{Link, Server},
};
use super::{Caller, Later, Started};
use crate::{
    Error,
    feed::{Hub, Subject},
    limits::Limits,
    op::{Answer, Op, Verb},
};

/// Pause before a read is sent again after its connection was lost. The link notices the loss in this time.
const RETRY_PAUSE: Duration = Duration::from_millis(5);

pub(crate) struct Redis {
    client: Arc<Client>,
}

struct Client {
    server: Server,
    hub: Arc<Hub>,
    /// Driven by the thread of the store. Has all subscriptions.
    own: Link,
    /// Driven by the runtime of the program, for its tasks.
    attached: OnceLock<Link>,
    /// Ends the thread of the store when it is dropped.
    _stop: oneshot::Sender<()>,
}

impl Redis {
    /// Starts to connect, and returns at once.
    pub(crate) fn open(address: &str, limits: &Limits, hub: &Arc<Hub>) -> Result<Redis, Error> {
        let Address { client, prefix } = Address::parse(address)?;
        let server = Server { client, prefix, timeout: limits.timeout };
        let (runtime, stop) = start_thread()?;
        let own = Link::start(&runtime, server.clone(), hub);
        let attached = OnceLock::new();
        Ok(Redis { client: Arc::new(Client { server, hub: hub.clone(), own, attached, _stop: stop }) })
    }

    /// Lets the runtime of this thread drive a connection for its tasks.
    pub(crate) fn attach(&self) {
        if let Ok(runtime) = Handle::try_current() {
            let server = self.client.server.clone();
            // Without subscriptions, so with a hub of its own.
            self.client.attached.get_or_init(|| Link::start(&runtime, server, &Arc::default()));
        }
    }

    pub(crate) fn start(&self, op: &Op, caller: Caller) -> Started {
        let (client, op) = (self.client.clone(), op.clone());
        let is_attached = client.serves(caller, &op);
        let runtime = client.own.runtime().clone();
        let future = Box::pin(async move { client.answer(&op, client.link(is_attached)).await });
        Started::Later(match is_attached {
            true => future,
            false => Box::pin(InRuntime { runtime, future }),
        })
    }
}

/// Starts the thread of the store, which runs tasks until the sender is dropped.
fn start_thread() -> Result<(Handle, oneshot::Sender<()>), Error> {
    let failed = |error| Error::open(format!("cannot start a thread for the store: {error}"));
    let runtime = Builder::new_current_thread().enable_io().enable_time().build().map_err(failed)?;
    let (handle, (stop, stopped)) = (runtime.handle().clone(), oneshot::channel());
    let work = move || {
        // Ends by the error that the sender was dropped.
        let _ = runtime.block_on(stopped);
    };
    thread::Builder::new().name("pixie-store".into()).spawn(work).map_err(failed)?;
    Ok((handle, stop))
}

/// A future whose timers belong to the thread of the store, on whatever thread it is polled.
struct InRuntime {
    runtime: Handle,
    future: Later,
}

impl Future for InRuntime {
    type Output = Result<Answer, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let _entered = this.runtime.enter();
        this.future.as_mut().poll(context)
    }
}

impl Client {
    /// Returns whether the attached link serves this caller. A thread that waits must not wait for its own runtime.
    fn serves(&self, caller: Caller, op: &Op) -> bool {
        let link = self.attached.get().filter(|link| caller == Caller::Task && !op.is_feed() && !link.is_closed());
        let id = Handle::try_current().map(|runtime| runtime.id());
        link.is_some_and(|link| id.is_ok_and(|id| id == link.runtime().id()))
    }

    fn link(&self, is_attached: bool) -> &Link {
        self.attached.get().filter(|_| is_attached).unwrap_or(&self.own)
    }

    async fn answer(&self, op: &Op, link: &Link) -> Result<Answer, Error> {
        let answer = time::timeout(self.server.timeout, self.attempts(op, link)).await;
        answer.unwrap_or_else(|_| {
            // Perhaps the connection is dead without an end.
            link.suspect();
            Err(Error::unavailable(link.trouble()))
        })
    }

    async fn attempts(&self, op: &Op, link: &Link) -> Result<Answer, Error> {
        loop {
            let connection = link.connection().await;
            let error = match self.send(op, connection).await {
                Ok(answer) => return answer,
                Err(error) => error,
            };
            match error.kind() {
                // It has refused the operation, which may be sent again, there or to its successor.
                ErrorKind::Server(ServerErrorKind::ReadOnly) => link.replace(),
                ErrorKind::Server(ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown) => {}
                _ if !error.is_unrecoverable_error() => return Err(commands::refusal(op, &error)),
                _ if !op.is_read() => {
                    link.suspect();
                    return Err(Error::unavailable(format!("the connection to Redis was lost in a call: {error}")));
                }
                _ => link.suspect(),
            }
            time::sleep(RETRY_PAUSE).await;
        }
    }

    async fn send(&self, op: &Op, mut connection: MultiplexedConnection) -> RedisResult<Result<Answer, Error>> {
        match op.verb {
            Verb::Subscribe => self.subscribe(Subject::Topic, &op.key, connection).await,
            Verb::Watch => self.subscribe(Subject::Prefix, &op.key, connection).await,
            Verb::List { limit } => commands::list(&self.server.prefix, &op.key, limit, &mut connection).await,
            _ => {
                let value = connection.send_packed_command(&commands::command(&self.server.prefix, op)).await?;
                commands::answer(op, value.extract_error()?).map(Ok)
            }
        }
    }

    async fn subscribe(
        &self,
        subject: Subject,
        name: &str,
        mut connection: MultiplexedConnection,
    ) -> RedisResult<Result<Answer, Error>> {
        // First here, so that a loss of the connection from now on is seen, and then at the server.
        let feed = self.hub.subscribe(subject, name);
        let _order = self.own.order().await;
        let subscribed = notifications::subscribe(&mut connection, &self.server.prefix, subject, &[name]).await?;
        Ok(subscribed.map(|()| Answer::Feed(feed)))
    }
}
