//! Ctrl-C and SIGTERM during work that needs a clean-up: kills the running program and lets the caller clean
//! up.
//!
//! Inside a `Section`, a signal does not end this process: `Section::output` and `Section::check` return an
//! error, so that temporary folders are removed. Outside of a section, a signal ends the process with exit
//! code 130.

use std::{
    io::{IsTerminal, Read, Write},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
};

use crate::error::Error;

/// What the thread of the signal handler needs.
static STATE: Mutex<State> = Mutex::new(State { sections: 0, is_interrupted: false, running: None, react: None });

struct State {
    sections: u32,
    is_interrupted: bool,
    running: Option<Child>,
    react: Option<Box<dyn Fn() + Send>>,
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A part of the work that needs a clean-up.
pub(crate) struct Section;

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
    state().react = Some(Box::new(react));
}

fn on_signal() {
    let mut state = state();
    if let Some(react) = &state.react {
        return react();
    }
    if state.sections > 0 {
        state.is_interrupted = true;
        // It fails if the program has ended already, because Ctrl-C in a terminal reaches it too.
        return drop(state.running.as_mut().map(Child::kill));
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
        state().sections += 1;
        Self
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if state().is_interrupted { Err(Error::interrupted()) } else { Ok(()) }
    }

    /// Runs a program to its end and returns its piped outputs. A signal kills the program.
    pub(crate) fn output(&self, command: &mut Command) -> Result<Output, Error> {
        self.check()?;
        let program = command.get_program().to_string_lossy().into_owned();
        let started = command.spawn();
        let mut child = started.map_err(|error| Error::new(format_args!("could not start `{program}`: {error}")))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        {
            let mut state = state();
            if state.is_interrupted {
                // The signal arrived after the check above.
                let _ = child.kill();
            }
            state.running = Some(child);
        }
        let stderr = thread::spawn(move || read(stderr));
        let stdout = read(stdout);
        let stderr = stderr.join().unwrap_or_default();
        let child = state().running.take();
        self.check()?;
        let status = child.expect("only this function takes it").wait();
        let status = status.map_err(|error| Error::new(format_args!("could not wait for `{program}`: {error}")))?;
        Ok(Output { status, stdout, stderr })
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        state().sections -= 1;
    }
}

/// Reads a pipe to its end. After an error, returns the bytes read so far.
fn read(pipe: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns a command with piped outputs and an empty input.
pub(crate) fn quiet(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}
