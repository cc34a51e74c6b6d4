//! The handle that stops every server of a program, lets other code wait for the shutdown, and reacts to
//! signals.
//!
//! It only contains the request to stop; `server.rs` acts on it. The request cannot be withdrawn.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};
#[cfg(windows)]
use tokio::signal::windows::{CtrlC, CtrlClose, ctrl_c, ctrl_close};
use tokio::{runtime::Builder, sync::watch};

use crate::{Error, race::race};

/// Exit code after the third signal. Shells report 128 + SIGINT for a program that Ctrl-C ended.
const EXIT_CODE_INTERRUPTED: i32 = 130;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    Serve,
    Stop,
    StopAtOnce,
}

/// Stops servers. Clones belong to the same shutdown and work across threads and runtimes.
///
/// ```
/// use pixie_server::Shutdown;
///
/// let shutdown = Shutdown::new();
/// let other = shutdown.clone();
/// other.trigger();
/// assert!(shutdown.is_triggered() && !shutdown.is_triggered_at_once());
/// ```
#[derive(Clone, Debug)]
pub struct Shutdown {
    wish: Arc<watch::Sender<Wish>>,
    is_handed_over: Arc<AtomicBool>,
}

impl Shutdown {
    /// Returns a handle that is not triggered yet.
    pub fn new() -> Shutdown {
        Shutdown { wish: Arc::new(watch::Sender::new(Wish::Serve)), is_handed_over: Arc::default() }
    }

    /// Starts an orderly shutdown: running requests may finish within
    /// [`shutdown_grace`](crate::Config::shutdown_grace).
    pub fn trigger(&self) {
        self.raise(Wish::Stop);
    }

    /// Starts an orderly shutdown because another process serves the same sockets from now on.
    pub fn hand_over(&self) {
        self.is_handed_over.store(true, Ordering::Release);
        self.trigger();
    }

    /// Returns whether another process serves the same sockets, so that their files must stay and the service
    /// goes on.
    pub fn is_handed_over(&self) -> bool {
        self.is_handed_over.load(Ordering::Acquire)
    }

    /// Stops at once: the connections of running requests are closed.
    pub fn trigger_at_once(&self) {
        self.raise(Wish::StopAtOnce);
    }

    /// Returns whether a shutdown has begun, orderly or at once.
    pub fn is_triggered(&self) -> bool {
        *self.wish.borrow() >= Wish::Stop
    }

    /// Returns whether servers have to stop at once.
    pub fn is_triggered_at_once(&self) -> bool {
        *self.wish.borrow() == Wish::StopAtOnce
    }

    /// Waits until a shutdown begins, orderly or at once.
    pub async fn wait(&self) {
        self.reach(Wish::Stop).await;
    }

    /// Waits until servers have to stop at once.
    pub async fn wait_at_once(&self) {
        self.reach(Wish::StopAtOnce).await;
    }

    /// Starts an orderly shutdown on the first SIGINT or SIGTERM, stops at once on the second, and ends the
    /// process on the third.
    ///
    /// A thread of its own waits for the signals, so Ctrl-C works even if a handler blocks the runtime.
    ///
    /// # Errors
    ///
    /// Fails if the system does not allow the signal handlers or the thread.
    pub fn on_signals(&self) -> Result<(), Error> {
        let shutdown = self.clone();
        let react = move |count| match count {
            1 => shutdown.trigger(),
            2 => shutdown.trigger_at_once(),
            _ => std::process::exit(EXIT_CODE_INTERRUPTED),
        };
        listen(react).map_err(|source| Error::Refused(format!("cannot install signal handlers: {source}")))
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
        // It fails only if the sender is dropped, and this handle owns the sender.
        let _ = { reached }.wait_for(|current| *current >= wish).await;
    }
}

impl Default for Shutdown {
    fn default() -> Shutdown {
        Shutdown::new()
    }
}

/// Calls `react` at each signal that terminals and service managers send to stop a program, with the number
/// of signals so far: 1 at the first.
fn listen(react: impl Fn(u32) + Send + 'static) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    // Only entered, not blocked on: the caller may be inside another runtime.
    let entered = runtime.enter();
    let (mut interrupt, mut terminate) = signals()?;
    drop(entered);
    let run = move || {
        let mut count = 0;
        loop {
            runtime.block_on(race(interrupt.recv(), terminate.recv()));
            count += 1;
            react(count);
        }
    };
    thread::Builder::new().name("pixie-signals".to_owned()).spawn(run).map(drop)
}

#[cfg(unix)]
fn signals() -> io::Result<(Signal, Signal)> {
    Ok((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
}

#[cfg(windows)]
fn signals() -> io::Result<(CtrlC, CtrlClose)> {
    Ok((ctrl_c()?, ctrl_close()?))
}
