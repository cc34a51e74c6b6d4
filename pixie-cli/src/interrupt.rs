//! Ctrl-C and SIGTERM during work that needs a clean-up: kills the running program and lets the caller clean
//! up.
//!
//! Inside a `Section`, a signal does not end this process: `Section::output` and `Section::check` return an
//! error, so that temporary folders are removed. Outside of a section, a signal ends the process with exit
//! code 130.

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

/// The state that the thread of the signal handler needs.
static UNDER_WAY: Mutex<State> = Mutex::new(State { sections: 0, interrupted: false, waiting: None, react: None });

struct State {
    sections: u32,
    interrupted: bool,
    waiting: Option<Sender<Event>>,
    react: Option<Box<dyn Fn() + Send>>,
}

enum Event {
    Interrupted,
    Closed,
}

/// A part of the work that needs a clean-up.
pub(crate) struct Section;

/// The output and the exit status of a program.
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Installs the signal handler: outside of a section, it shows the cursor and ends the process with exit code
/// 130.
pub(crate) fn watch() -> Result<(), Error> {
    ctrlc::set_handler(on_signal).map_err(|error| Error::new(format_args!("could not listen for Ctrl-C: {error}")))
}

/// Calls `react` at each signal from now on, instead of ending the process.
pub(crate) fn hand_over(react: impl Fn() + Send + 'static) {
    UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner).react = Some(Box::new(react));
}

fn on_signal() {
    let mut state = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(react) = &state.react {
        return react();
    }
    if state.sections > 0 {
        state.interrupted = true;
        if let Some(waiting) = &state.waiting {
            // It fails if the receiver has just stopped waiting; then the next check finds the flag.
            let _ = waiting.send(Event::Interrupted);
        }
        return;
    }
    show_cursor();
    std::process::exit(130);
}

/// Shows the terminal's cursor again, because a question hides it.
pub(crate) fn show_cursor() {
    if std::io::stderr().is_terminal() {
        // It fails if the terminal is closed.
        let _ = std::io::stderr().write_all(b"\x1b[?25h\n");
    }
}

impl Section {
    /// Starts a section, which ends when the value is dropped.
    pub(crate) fn start() -> Self {
        UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner).sections += 1;
        Self
    }

    /// Fails if a signal has arrived.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner).interrupted {
            true => Err(Error::interrupted()),
            false => Ok(()),
        }
    }

    /// Runs a program to its end and returns its piped outputs. A signal kills the program.
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
                // The signal arrived after the check above. The receiver exists, so sending does not fail.
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
            // It fails if the program has ended already, because Ctrl-C in a terminal reaches it too.
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
        // After an error, the bytes read so far are returned.
        let _ = pipe.read_to_end(&mut bytes);
        let _ = sender.send(Event::Closed);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Returns a command with piped outputs and an empty input.
pub(crate) fn quiet(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}
