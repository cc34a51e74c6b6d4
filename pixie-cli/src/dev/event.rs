//! The events of a session, as data: the other parts send them through one channel, the session handles them
//! in order.

use std::{os::unix::net::UnixStream, path::PathBuf, process::ExitStatus, time::Duration};

use crate::dev::{progress::Progress, sources::Action};

#[derive(Debug)]
pub(crate) enum Event {
    Changed(Vec<Change>),
    /// A folder of the project was created or removed.
    Folder(PathBuf),
    Built(Built),
    /// The build under way has finished another step.
    Progress(Progress),
    Joined(u64, UnixStream),
    /// The program with this number has sent a line.
    Said(u64, String),
    Ended(u64, Option<ExitStatus>),
    /// The user typed a key, and Enter.
    Key(char),
    /// Ctrl-C, or a signal with the same meaning.
    Quit,
}

/// A file whose contents have changed, or that was created or removed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Change {
    pub(crate) action: Action,
    pub(crate) path: PathBuf,
}

#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) number: u64,
    /// The program, or the error messages with terminal colors.
    pub(crate) outcome: Result<PathBuf, String>,
    pub(crate) time: Duration,
}
