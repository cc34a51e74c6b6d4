//! Ctrl-C and SIGTERM while something is half-done: the program under way is ended and the caller cleans up.
//!
//! Inside a `Section` a signal never ends this process: it turns into an error of `Section::output` or `Section::check`,
//! so that temporary folders are dropped on the way out. Outside of one it ends the process with 130.

use std::{
    io::{IsTerminal, Read, Write},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use crate::error::Error;

/// What is under way, for the thread that learns of a signal.
static UNDER_WAY: Mutex<State> = Mutex::new(State { sections: 0, interrupted: false, waiting: None, heard_by: None });

struct State {
    sections: u32,
    interrupted: bool,
    waiting: Option<Sender<Event>>,
    heard_by: Option<Box<dyn Fn() + Send>>,
}

enum Event {
    Interrupted,
    Closed,
}

/// A stretch of work that must be cleaned up after.
pub(crate) struct Section;

/// What a program wrote, and how it ended.
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Makes the program end with 130 on Ctrl-C and SIGTERM, with a visible cursor, unless it is in a section.
pub(crate) fn watch() -> Result<(), Error> {
    ctrlc::set_handler(on_signal).map_err(|error| Error::new(format_args!("could not listen for Ctrl-C: {error}")))
}

/// Leaves signals to somebody else from now on, who ends the program in order.
pub(crate) fn hand_over(heard_by: impl Fn() + Send + 'static) {
    UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner).heard_by = Some(Box::new(heard_by));
}

fn on_signal() {
    let mut state = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(hear) = &state.heard_by {
        return hear();
    }
    if state.sections > 0 {
        state.interrupted = true;
        if let Some(waiting) = &state.waiting {
            // The receiver may just have stopped waiting; then the next check sees the flag.
            let _ = waiting.send(Event::Interrupted);
        }
        return;
    }
    show_cursor();
    std::process::exit(130);
}

/// Shows the terminal's cursor again: a question hides it while it waits.
pub(crate) fn show_cursor() {
    if std::io::stderr().is_terminal() {
        // A terminal that has gone shows nothing anyway.
        let _ = std::io::stderr().write_all(b"\x1b[?25h\n");
    }
}

impl Section {
    /// Starts a section; it ends when it is dropped.
    pub(crate) fn start() -> Self {
        UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner).sections += 1;
        Self
    }

    /// Fails if a signal has come.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner).interrupted {
            true => Err(Error::interrupted()),
            false => Ok(()),
        }
    }

    /// Runs a program to its end; a signal kills it. Its outputs are returned, as far as they are piped.
    pub(crate) fn output(&self, command: &mut Command) -> Result<Output, Error> {
        self.check()?;
        let program = command.get_program().to_string_lossy().into_owned();
        let started = command.spawn();
        let child = started.map_err(|error| Error::new(format_args!("could not start `{program}`: {error}")))?;
        let (sender, events) = channel();
        {
            let mut state = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
            state.waiting = Some(sender.clone());
            if state.interrupted {
                // It came after the check above; the receiver is alive here.
                let _ = sender.send(Event::Interrupted);
            }
        }
        let output = collect(child, &sender, &events);
        UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner).waiting = None;
        self.check()?;
        output.map_err(|error| Error::new(format_args!("could not read from `{program}`: {error}")))
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner).sections -= 1;
    }
}

/// Reads both outputs to their ends, or kills the program at the first signal.
fn collect(mut child: Child, sender: &Sender<Event>, events: &Receiver<Event>) -> std::io::Result<Output> {
    let stdout = child.stdout.take().map(|pipe| drain(pipe, sender.clone()));
    let stderr = child.stderr.take().map(|pipe| drain(pipe, sender.clone()));
    for _ in stdout.iter().chain(&stderr) {
        if let Ok(Event::Interrupted) = events.recv() {
            // It may have ended by itself: a terminal's Ctrl-C reaches it as well.
            let _ = child.kill();
            break;
        }
    }
    let status = child.wait()?;
    let text = |reader: Option<thread::JoinHandle<String>>| reader.and_then(|reader| reader.join().ok());
    Ok(Output { status, stdout: text(stdout).unwrap_or_default(), stderr: text(stderr).unwrap_or_default() })
}

fn drain(mut pipe: impl Read + Send + 'static, sender: Sender<Event>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before a broken pipe is still worth showing.
        let _ = pipe.read_to_end(&mut bytes);
        let _ = sender.send(Event::Closed);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Prepares a command whose outputs are read and whose input is empty.
pub(crate) fn quiet(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}
