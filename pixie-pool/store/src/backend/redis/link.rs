//! `Link`: a connection to Redis, and the tasks that keep it.
//!
//! Connects, connects again after a loss, subscribes again, and finds dead connections by a ping. Invariant: a new
//! connection is given to callers after its subscriptions, so that a subscriber who reads a value after it was told
//! of a gap misses no change.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis::{AsyncConnectionConfig, Client, PushInfo, PushKind, RedisError, aio::MultiplexedConnection};
use tokio::{
    runtime::Handle,
    sync::{Mutex, MutexGuard, Notify, mpsc, watch},
    task::AbortHandle,
    time,
};

use super::notifications::{deliver, subscribe, unsubscribe};
use crate::feed::{Hub, Subject};

/// First pause after a failed attempt to connect. Doubles with each attempt.
const PAUSE_MIN: Duration = Duration::from_millis(20);

/// Longest pause between two attempts. A server that comes back is found within this time.
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// Time between two pings. A connection that only receives would not notice that it is dead.
const PING_PAUSE: Duration = Duration::from_secs(15);

/// Commands that wait for the socket. More callers wait for a place, within the timeout of a call.
const COMMANDS_MAX: usize = 1024;

/// How to reach the server.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) client: Client,
    /// What every key and channel on the server begins with.
    pub(crate) prefix: String,
    /// Limits an attempt to connect and each call.
    pub(crate) timeout: Duration,
}

pub(crate) struct Link {
    runtime: Handle,
    shared: Arc<Shared>,
    state: watch::Receiver<State>,
    tasks: [AbortHandle; 2],
}

struct Shared {
    server: Server,
    hub: Arc<Hub>,
    suspicion: Notify,
    demotion: Notify,
    /// Held while a subscription changes at the server, so that changes arrive in their order.
    order: Mutex<()>,
}

#[derive(Clone)]
enum State {
    Up(MultiplexedConnection),
    /// With the last error.
    Down(String),
}

impl Link {
    /// Starts to connect, in tasks of the runtime.
    pub(crate) fn start(runtime: &Handle, server: Server, hub: &Arc<Hub>) -> Link {
        let (suspicion, demotion, order) = (Notify::new(), Notify::new(), Mutex::new(()));
        let shared = Arc::new(Shared { server, hub: hub.clone(), suspicion, demotion, order });
        let (state, seen) = watch::channel(State::Down("it does not answer".into()));
        let (left, subjects) = mpsc::unbounded_channel();
        hub.tell_left(left);
        let (keeper, leaving) = (Keeper { shared: shared.clone(), state }, shared.clone());
        let tasks = [
            runtime.spawn(async move { keeper.keep().await }).abort_handle(),
            runtime.spawn(leave(leaving, seen.clone(), subjects)).abort_handle(),
        ];
        Link { runtime: runtime.clone(), shared, state: seen, tasks }
    }

    /// Returns the runtime whose timers a call must use.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Returns whether the runtime has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.state.has_changed().is_err()
    }

    /// Waits until there is a connection.
    pub(crate) async fn connection(&self) -> MultiplexedConnection {
        if let State::Up(connection) = &*self.state.borrow() {
            return connection.clone();
        }
        up(&mut self.state.clone()).await
    }

    /// Asks for a ping, because a call has failed.
    pub(crate) fn suspect(&self) {
        self.shared.suspicion.notify_one();
    }

    /// Asks for another connection, because the server has become a replica, and its name may lead to another one.
    pub(crate) fn replace(&self) {
        self.shared.demotion.notify_one();
    }

    /// Returns why a call has not ended in time.
    pub(crate) fn trouble(&self) -> String {
        let timeout = self.shared.server.timeout;
        match &*self.state.borrow() {
            State::Up(_) => format!("Redis has not answered within {timeout:?}"),
            State::Down(error) => format!("no connection to Redis within {timeout:?}: {error}"),
        }
    }

    pub(crate) async fn order(&self) -> MutexGuard<'_, ()> {
        self.shared.order.lock().await
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

async fn up(state: &mut watch::Receiver<State>) -> MultiplexedConnection {
    loop {
        if let State::Up(connection) = &*state.borrow_and_update() {
            return connection.clone();
        }
        if state.changed().await.is_err() {
            // The runtime has ended, and the call ends at its timeout.
            std::future::pending::<()>().await;
        }
    }
}

/// Unsubscribes at the server when the last subscriber here is gone.
async fn leave(
    shared: Arc<Shared>,
    mut state: watch::Receiver<State>,
    mut subjects: mpsc::UnboundedReceiver<(Subject, String)>,
) {
    while let Some((subject, name)) = subjects.recv().await {
        let mut connection = up(&mut state).await;
        let _order = shared.order.lock().await;
        if !shared.hub.has(subject, &name) {
            let unsubscribed = unsubscribe(&mut connection, &shared.server.prefix, subject, &name);
            // After a loss, the next connection does not subscribe again.
            let _ = time::timeout(shared.server.timeout, unsubscribed).await;
        }
    }
}

/// Keeps one connection.
struct Keeper {
    shared: Arc<Shared>,
    state: watch::Sender<State>,
}

impl Keeper {
    async fn keep(&self) {
        let (mut pause, mut was_up) = (PAUSE_MIN, false);
        loop {
            let lost = Arc::new(Notify::new());
            let error = match time::timeout(self.shared.server.timeout, self.connect(&lost)).await {
                Ok(Ok(connection)) => {
                    self.state.send_replace(State::Up(connection.clone()));
                    if was_up {
                        tracing::info!("the connection to Redis works again");
                        self.shared.hub.gap();
                    }
                    was_up = true;
                    let start = Instant::now();
                    let error = self.until_lost(connection, &lost).await;
                    // A server that ends each connection soon is not asked without a pause.
                    if start.elapsed() > PAUSE_MAX {
                        pause = PAUSE_MIN;
                    }
                    tracing::warn!(%error, "lost the connection to Redis");
                    error
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => "it does not answer".into(),
            };
            self.state.send_replace(State::Down(error));
            time::sleep(pause).await;
            pause = PAUSE_MAX.min(pause * 2);
        }
    }

    async fn connect(&self, lost: &Arc<Notify>) -> Result<MultiplexedConnection, RedisError> {
        let (shared, lost) = (self.shared.clone(), lost.clone());
        let receive = move |push: PushInfo| {
            match push.kind {
                PushKind::Disconnection => lost.notify_one(),
                _ => deliver(&shared.hub, &shared.server.prefix, push),
            }
            Ok::<(), ()>(())
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_pipeline_buffer_size(COMMANDS_MAX)
            .set_push_sender(receive);
        let mut connection = self.shared.server.client.get_multiplexed_async_connection_with_config(&config).await?;
        let _order = self.shared.order.lock().await;
        for subject in [Subject::Topic, Subject::Prefix] {
            let names = self.shared.hub.names(subject);
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            if let Err(error) = subscribe(&mut connection, &self.shared.server.prefix, subject, &names).await? {
                tracing::warn!(%error, "cannot watch the store any more");
            }
        }
        Ok(connection)
    }

    /// Returns the error that ended the connection.
    async fn until_lost(&self, mut connection: MultiplexedConnection, lost: &Notify) -> String {
        loop {
            tokio::select! {
                () = lost.notified() => return "the server closed it".into(),
                () = self.shared.demotion.notified() => return "the server has become a replica".into(),
                () = self.shared.suspicion.notified() => {}
                () = time::sleep(PING_PAUSE) => {}
            }
            let ping = redis::cmd("PING");
            match time::timeout(self.shared.server.timeout, ping.exec_async(&mut connection)).await {
                Ok(Err(error)) if error.is_unrecoverable_error() => return error.to_string(),
                Ok(_) => {}
                Err(_) => return "it does not answer".into(),
            }
        }
    }
}
