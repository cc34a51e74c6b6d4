//! Turns the signals of the terminal and of service managers into wishes on a `Shutdown`.
//!
//! The only place that knows which signals a platform has. It runs on its own thread with its own runtime.

use std::{io, thread};

use tokio::runtime::{Builder, Runtime};

use crate::Shutdown;

/// What a shell reports for a program that ended by Ctrl-C: 128 + SIGINT.
const EXIT_CODE_INTERRUPTED: i32 = 130;

pub(crate) fn listen(shutdown: Shutdown) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    // Only entered, not blocked on: the caller may be inside a runtime of its own.
    let entered = runtime.enter();
    let signals = Signals::new()?;
    drop(entered);
    let run = move || obey(&runtime, signals, &shutdown);
    thread::Builder::new().name("pixie-signals".to_owned()).spawn(run).map(drop)
}

fn obey(runtime: &Runtime, mut signals: Signals, shutdown: &Shutdown) {
    runtime.block_on(async {
        signals.next().await;
        shutdown.trigger();
        signals.next().await;
        shutdown.trigger_at_once();
        signals.next().await;
    });
    std::process::exit(EXIT_CODE_INTERRUPTED);
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        crate::race::race(self.interrupt.recv(), self.terminate.recv()).await;
    }
}

#[cfg(windows)]
struct Signals {
    interrupt: tokio::signal::windows::CtrlC,
    terminate: tokio::signal::windows::CtrlClose,
}

#[cfg(windows)]
impl Signals {
    fn new() -> io::Result<Signals> {
        use tokio::signal::windows::{ctrl_c, ctrl_close};
        Ok(Signals { interrupt: ctrl_c()?, terminate: ctrl_close()? })
    }

    async fn next(&mut self) {
        crate::race::race(self.interrupt.recv(), self.terminate.recv()).await;
    }
}
