//! What a person sees, in cargo's manner: green verbs in a column of twelve, `error:`, `help:`; all of it on stderr.
//!
//! Colours go away by themselves in a pipe and under NO_COLOR: everything is printed through `anstream`.

use std::sync::atomic::{AtomicBool, Ordering};

use anstyle::{AnsiColor, Style};

use crate::{error::Error, interrupt};

const VERB: Style = AnsiColor::BrightGreen.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const ERROR: Style = AnsiColor::BrightRed.on_default().bold();
const HELP: Style = AnsiColor::BrightCyan.on_default().bold();

/// The first line of a table or a banner.
pub(crate) const HEAD: Style = AnsiColor::BrightGreen.on_default().bold();

/// Whether steps and hints are left out.
static QUIET: AtomicBool = AtomicBool::new(false);

/// Leaves out steps and hints from now on.
pub(crate) fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Shows a step that is done or under way: `Created blog (app template, 14 files)`.
pub(crate) fn status(verb: &str, text: impl std::fmt::Display) {
    if QUIET.load(Ordering::Relaxed) {
        return;
    }
    anstream::eprintln!("{VERB}{verb:>12}{VERB:#} {text}");
}

/// Shows something that may surprise later.
pub(crate) fn warning(text: impl std::fmt::Display) {
    anstream::eprintln!("{WARNING}warning{WARNING:#}: {text}");
}

/// Shows a hint that is not about a failure.
pub(crate) fn help(text: impl std::fmt::Display) {
    anstream::eprintln!("{HELP}help{HELP:#}: {text}");
}

/// Shows a failure: what, where, and what to do.
pub(crate) fn error(error: &Error) {
    if error.message().is_empty() {
        return interrupt::show_cursor();
    }
    anstream::eprintln!("{ERROR}error{ERROR:#}: {}", error.message());
    if let Some(place) = error.place() {
        anstream::eprintln!("  {HELP}-->{HELP:#} {place}");
    }
    if let Some(remedy) = error.remedy() {
        help(remedy);
    }
}
