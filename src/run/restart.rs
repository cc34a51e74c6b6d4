//! SIGHUP: starts the program anew from its path on disk, with the same listening sockets.
//!
//! The present process serves until the new one is ready, then it finishes its requests and exits. If the new
//! one does not become ready, it is killed, and the present process continues and logs why. Invariant: at
//! most one new process at a time, and a failed attempt leaves no process.
//!
//! Sockets are passed as systemd passes them (`LISTEN_FDS`), and the new process reports as to a service
//! manager (`notify.rs`). The crate `ecdysis` does the same, but passes sockets in a format of its own, waits
//! exactly 5 s, cannot say why a new process has failed, and brings 20 more crates.
mod asker;
mod attempt;
mod origin;

use std::{
    fs::File,
    process,
    sync::mpsc,
    thread::{self, JoinHandle},
    time::Duration,
};

use pixie_server::{Error, Listener, Shutdown};
use tokio::{
    runtime::{Builder, Runtime},
    select,
    signal::unix::{Signal, SignalKind, signal},
};

use self::{asker::Asker, attempt::attempt, origin::Origin};
use crate::{run::notify, table::Composed};

/// Everything that a restart needs, read when the program starts.
pub(super) struct Restarts {
    runtime: Runtime,
    hangups: Signal,
    origin: Origin,
    has_terminal: bool,
    /// Why this process cannot be replaced by another one.
    refusal: Option<&'static str>,
}

impl Restarts {
    /// Listens for SIGHUP from now on. Returns `None` if the signal is ignored, as `nohup` arranges, because
    /// then it must not have any effect.
    pub(super) fn prepare(is_dev: bool) -> Result<Option<Restarts>, Error> {
        if pixie_pool::__restart::ignores_hangup() {
            return Ok(None);
        }
        let failed = |error| Error::Refused(format!("cannot prepare for SIGHUP: {error}"));
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let entered = runtime.enter();
        let hangups = signal(SignalKind::hangup()).map_err(failed)?;
        drop(entered);
        let refusal = match process::id() {
            _ if is_dev => Some("`pixie dev` starts this program anew when a file is saved"),
            1 => Some(
                "this program is the first process of its container, which would end with it: start a new container \
                 instead",
            ),
            _ => None,
        };
        let origin = Origin::of_this_process();
        Ok(Some(Restarts { runtime, hangups, origin, has_terminal: is_terminal_open(), refusal }))
    }

    /// Reacts to SIGHUP on a thread of its own until the program stops, so that a restart works also if
    /// handlers block the runtime. The thread holds the sockets, so a stop is complete when it has ended.
    ///
    /// On an error, `restarts` keeps its value: a runtime must not be dropped within the async code of
    /// another.
    pub(super) fn watch(
        restarts: &mut Option<Restarts>,
        listener: &Listener,
        app: &Composed,
    ) -> Result<Option<JoinHandle<()>>, Error> {
        if restarts.is_none() {
            return Ok(None);
        }
        let (shutdown, timeout) = (app.shutdown.clone(), app.settings.restart_timeout);
        let listener = listener.try_clone()?;
        let (sender, receiver) = mpsc::channel::<Restarts>();
        let react = move || receiver.into_iter().for_each(|restarts| restarts.react(&listener, &shutdown, timeout));
        let started = thread::Builder::new().name("pixie-restart".into()).spawn(react);
        let failed = |error| Error::Refused(format!("cannot start a thread for SIGHUP: {error}"));
        let thread = started.map_err(failed)?;
        if let Some(restarts) = restarts.take() {
            let _ = sender.send(restarts);
        }
        Ok(Some(thread))
    }

    fn react(self, listener: &Listener, shutdown: &Shutdown, timeout: Duration) {
        let Restarts { runtime, mut hangups, origin, has_terminal, refusal } = self;
        // A closed terminal sends SIGHUP to its programs, which then must not continue without it.
        let is_closed = || has_terminal && !is_terminal_open();
        runtime.block_on(async {
            loop {
                select! {
                    biased;
                    () = shutdown.wait() => return,
                    _ = hangups.recv() => {}
                }
                if is_closed() {
                    return stop_with_terminal(shutdown);
                }
                let mut asker = Asker::find().await;
                if let Some(why) = refusal {
                    tracing::warn!("ignored SIGHUP: {why}");
                    asker.tell(&format!("failed {why}")).await;
                    continue;
                }
                asker.tell("starting").await;
                notify::tell_reloading();
                match attempt(&origin, listener, shutdown, timeout).await {
                    Ok(new) if is_closed() => {
                        new.kill().await;
                        return stop_with_terminal(shutdown);
                    }
                    Ok(new) => {
                        let pid = new.pid();
                        notify::tell_main(pid);
                        tracing::info!(pid, "another process has taken over: this one finishes its requests");
                        shutdown.hand_over();
                        return asker.tell(&format!("ready {pid}")).await;
                    }
                    Err(why) => {
                        tracing::error!("could not start the program anew, so this process continues: {why}");
                        notify::tell_not_reloaded();
                        asker.tell(&format!("failed {why}")).await;
                    }
                }
            }
        });
    }
}

fn stop_with_terminal(shutdown: &Shutdown) {
    tracing::info!("the terminal was closed: stopping");
    shutdown.trigger();
}

/// Returns whether this process has a terminal that controls it.
fn is_terminal_open() -> bool {
    File::open("/dev/tty").is_ok()
}
