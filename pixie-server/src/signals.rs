//! Waits for the signals with which terminals and service managers stop a program.
//!
//! Only this module knows which signals each platform has. It uses its own thread with its own runtime.

use std::{io, thread};

use tokio::runtime::Builder;

/// Calls `react` at each signal with the number of signals so far: 1 at the first.
pub(crate) fn listen(react: impl Fn(u32) + Send + 'static) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    // Only entered, not blocked on: the caller may be inside another runtime.
    let entered = runtime.enter();
    let mut signals = Signals::new()?;
    drop(entered);
    let run = move || {
        let mut count = 0;
        loop {
            runtime.block_on(signals.next());
            count += 1;
            react(count);
        }
    };
    thread::Builder::new().name("pixie-signals".to_owned()).spawn(run).map(drop)
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
