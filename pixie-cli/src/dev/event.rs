//! Everything that can happen to a session, in one queue: the session reacts to one thing after the other.

use std::{os::unix::net::UnixStream, path::PathBuf, process::ExitStatus};

use crate::dev::{build::Built, watch::Change};

/// Something happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// Files have other contents than before.
    Changed(Vec<Change>),
    /// A folder of the project has come or gone.
    Folder(PathBuf),
    /// A build came to its end.
    Built(Built),
    /// A program has connected.
    Joined(u64, UnixStream),
    /// A program said something.
    Said(u64, String),
    /// A program has ended.
    Ended(u64, Option<ExitStatus>),
    /// A key was typed, and Enter.
    Key(char),
    /// Ctrl-C, or a signal that means the same.
    Quit,
}
