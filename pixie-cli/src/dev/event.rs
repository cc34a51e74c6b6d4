//! The events of a session, as data: the other parts send them through one channel, the session handles them
//! in order.

use std::{os::unix::net::UnixStream, path::PathBuf, process::ExitStatus, time::Duration};

use crate::dev::sources::Action;

/// Something that happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// The contents of files have changed.
    Changed(Vec<Change>),
    /// A folder of the project was created or removed.
    Folder(PathBuf),
    /// A build has ended.
    Built(Built),
    /// The program with this number has connected.
    Joined(u64, UnixStream),
    /// The program with this number has sent a line.
    Said(u64, String),
    /// The program with this number has ended.
    Ended(u64, Option<ExitStatus>),
    /// The user typed a key, and Enter.
    Key(char),
    /// Ctrl-C, or a signal with the same meaning.
    Quit,
}

/// A file whose contents have changed, or that was created or removed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Change {
    /// The action that the change needs.
    pub(crate) action: Action,
    /// The file.
    pub(crate) path: PathBuf,
}

/// The result of a build.
#[derive(Debug)]
pub(crate) struct Built {
    /// The number of the build.
    pub(crate) number: u64,
    /// The program, or the error messages with terminal colors.
    pub(crate) outcome: Result<PathBuf, String>,
    /// The time that the build took.
    pub(crate) time: Duration,
}
