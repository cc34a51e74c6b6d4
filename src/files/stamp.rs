//! `Stamp`: shows whether a file has changed, without reading it.
use std::{
    fs::Metadata,
    time::{Duration, SystemTime},
};

/// Within this time, a second change may not change the time of the file: clocks of file systems have a
/// resolution of up to two seconds.
const SETTLING: Duration = Duration::from_secs(2);
/// Build tools that produce reproducible files set a time near zero. Such a time carries no information.
const EARLIEST: Duration = Duration::from_secs(24 * 60 * 60);

/// A file's length, time and identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) length: u64,
    /// The time of the last change, if it carries information.
    pub(super) modified: Option<SystemTime>,
    identity: Identity,
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Stamp {
        let earliest = SystemTime::UNIX_EPOCH + EARLIEST;
        let modified = metadata.modified().ok().filter(|time| *time >= earliest);
        Stamp { length: metadata.len(), modified, identity: identity(metadata) }
    }

    /// Returns whether a later change would show in the stamp.
    pub(super) fn is_settled(&self, now: SystemTime) -> bool {
        self.modified.is_none_or(|modified| now.duration_since(modified).is_ok_and(|age| age >= SETTLING))
    }

    /// Returns whether this file is at least as new as the other, in whole seconds. A file that was made from
    /// another one is newer.
    pub(super) fn is_as_new_as(&self, other: &Stamp) -> bool {
        let seconds = |stamp: &Stamp| {
            stamp.modified.and_then(|time| Some(time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs()))
        };
        seconds(self) >= seconds(other)
    }
}

/// Device, inode number, and the time of the last inode change, which programs cannot set.
#[cfg(unix)]
type Identity = (u64, u64, i64, i64);

#[cfg(unix)]
fn identity(metadata: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
}

/// On other systems, length and time must suffice.
#[cfg(not(unix))]
type Identity = ();

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Identity {}
