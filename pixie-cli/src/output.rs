//! Messages for people, in the style of cargo: green verbs in a column of twelve, `error:`, `help:`; all on
//! stderr.
//!
//! Everything is printed through `anstream`, which removes colors in a pipe and with NO_COLOR.

use std::{
    io::{self, Write},
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread::{self, JoinHandle},
    time::Duration,
};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::{error::Error, interrupt};

const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const ERROR: Style = AnsiColor::BrightRed.on_default().bold();
pub(crate) const HELP: Style = AnsiColor::BrightCyan.on_default().bold();

/// The style of verbs and of the first line of a table or a banner.
pub(crate) const HEAD: Style = AnsiColor::BrightGreen.on_default().bold();

static QUIET: AtomicBool = AtomicBool::new(false);

pub(crate) fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

pub(crate) fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Prints a step: `Created blog (app template, 14 files)`.
pub(crate) fn status(verb: &str, text: impl std::fmt::Display) {
    if is_quiet() {
        return;
    }
    anstream::eprintln!("{HEAD}{verb:>12}{HEAD:#} {text}");
}

pub(crate) fn warning(text: impl std::fmt::Display) {
    anstream::eprintln!("{WARNING}warning{WARNING:#}: {text}");
}

pub(crate) fn help(text: impl std::fmt::Display) {
    anstream::eprintln!("{HELP}help{HELP:#}: {text}");
}

/// Prints a value to stdout as JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Error> {
    let json = serde_json::to_string_pretty(value);
    let json = json.map_err(|error| Error::new(format_args!("could not write JSON: {error}")))?;
    print(&format!("{json}\n"))
}

/// Prints text to stdout, in colors if stdout is a terminal.
pub(crate) fn print(text: &str) -> Result<(), Error> {
    written(anstream::stdout().write_all(text.as_bytes()))
}

/// Writes bytes to stdout as they are.
pub(crate) fn write(bytes: &[u8]) -> Result<(), Error> {
    written(io::stdout().write_all(bytes))
}

/// A closed pipe is not an error, because a reader such as `head` may stop early.
fn written(result: io::Result<()>) -> Result<(), Error> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::new(format_args!("could not write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// Opens an address in the browser. The thread waits for the opener, so that the opener does not become a zombie,
/// and prints the address if that failed.
pub(crate) fn browse(address: &str) -> JoinHandle<()> {
    let address = address.to_owned();
    thread::spawn(move || {
        let mut opener = Command::new(if cfg!(target_os = "macos") { "open" } else { "xdg-open" });
        opener.arg(&address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if !opener.status().is_ok_and(|status| status.success()) {
            help(format_args!("open {address} in your browser"));
        }
    })
}

/// Prints an error: the message, the place and the fix.
pub(crate) fn error(error: &Error) {
    if error.message.is_empty() {
        return interrupt::show_cursor();
    }
    anstream::eprintln!("{ERROR}error{ERROR:#}: {}", error.message);
    if let Some(place) = &error.place {
        anstream::eprintln!("  {HELP}-->{HELP:#} {place}");
    }
    if let Some(text) = &error.help {
        help(text);
    }
}

/// Returns a duration for people: `40 ms`, `1.23 s`, `2 min 5 s`.
pub(crate) fn time(elapsed: Duration) -> String {
    match elapsed.as_secs() {
        0 => format!("{} ms", elapsed.as_millis()),
        1..60 => format!("{:.2} s", elapsed.as_secs_f64()),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}
