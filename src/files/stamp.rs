//! `Stamp`: what tells, without reading it, that a file is still the one that was read.
use std::{
    fs::Metadata,
    time::{Duration, SystemTime},
};

/// A second change within this time may leave a file's time as it was: clocks of file systems tick in up to two seconds.
const SETTLING: Duration = Duration::from_secs(2);
/// Build tools that want the same bytes every time set a time near zero, which then says nothing.
const EARLIEST: Duration = Duration::from_secs(24 * 60 * 60);

/// A file's length, time and identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) length: u64,
    /// The time of the last change, unless it says nothing.
    pub(super) modified: Option<SystemTime>,
    identity: Identity,
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Stamp {
        let earliest = SystemTime::UNIX_EPOCH + EARLIEST;
        let modified = metadata.modified().ok().filter(|time| *time >= earliest);
        Stamp { length: metadata.len(), modified, identity: identity(metadata) }
    }

    /// Says whether a later change would show in the stamp.
    pub(super) fn is_settled(&self, now: SystemTime) -> bool {
        self.modified.is_none_or(|modified| now.duration_since(modified).is_ok_and(|age| age >= SETTLING))
    }

    /// Says whether this is as new as the other, to the second: what was made from it comes later.
    pub(super) fn is_as_new_as(&self, other: &Stamp) -> bool {
        let seconds = |stamp: &Stamp| {
            stamp.modified.and_then(|time| Some(time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs()))
        };
        seconds(self) >= seconds(other)
    }
}

/// Device, number, and the time of the last change to the file's record, which nobody can set.
#[cfg(unix)]
type Identity = (u64, u64, i64, i64);

#[cfg(unix)]
fn identity(metadata: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
}

/// Elsewhere length and time must do.
#[cfg(not(unix))]
type Identity = ();

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Identity {}
