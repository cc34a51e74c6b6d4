//! The handle that tells every server of a program to stop, and lets others wait for that moment.
//!
//! It only carries the wish; `server.rs` acts on it. A wish is never taken back, and asking twice means "now".

use std::sync::Arc;

use tokio::sync::watch;

use crate::{Error, signals};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    Serve,
    Stop,
    StopAtOnce,
}

/// Asks servers to stop; clones are handles to the same wish and work across threads and runtimes.
#[derive(Clone, Debug)]
pub struct Shutdown {
    wish: Arc<watch::Sender<Wish>>,
}

impl Shutdown {
    /// Returns a handle on which nothing has been asked yet.
    pub fn new() -> Shutdown {
        Shutdown { wish: Arc::new(watch::Sender::new(Wish::Serve)) }
    }

    /// Asks for an orderly stop: running requests are finished within the grace.
    pub fn trigger(&self) {
        self.raise(Wish::Stop);
    }

    /// Asks to stop at once: running requests are cut.
    pub fn trigger_at_once(&self) {
        self.raise(Wish::StopAtOnce);
    }

    /// Returns whether a stop of either sort was asked for.
    pub fn is_triggered(&self) -> bool {
        *self.wish.borrow() >= Wish::Stop
    }

    /// Returns whether stopping at once was asked for.
    pub fn is_triggered_at_once(&self) -> bool {
        *self.wish.borrow() == Wish::StopAtOnce
    }

    /// Waits until a stop of either sort is asked for.
    pub async fn wait(&self) {
        self.reach(Wish::Stop).await;
    }

    /// Waits until stopping at once is asked for.
    pub async fn wait_at_once(&self) {
        self.reach(Wish::StopAtOnce).await;
    }

    /// Triggers on the first SIGINT or SIGTERM, at once on the second, and ends the process on the third.
    ///
    /// The signals are awaited on a thread of their own, so that a handler that blocks the runtime cannot keep Ctrl-C
    /// from being heard.
    pub fn on_signals(&self) -> Result<(), Error> {
        signals::listen(self.clone()).map_err(|source| Error::Signals { source })
    }

    fn raise(&self, wish: Wish) {
        self.wish.send_if_modified(|current| {
            let rises = wish > *current;
            *current = wish.max(*current);
            rises
        });
    }

    async fn reach(&self, wish: Wish) {
        let reached = self.wish.subscribe();
        // An error would mean that the sender is gone, but this handle holds it.
        let _ = { reached }.wait_for(|current| *current >= wish).await;
    }
}

impl Default for Shutdown {
    fn default() -> Shutdown {
        Shutdown::new()
    }
}
