//! Opens what a name leads to: a file, a compressed file beside it, or a folder. A `Stamp` shows whether a
//! file has changed, without reading it.
use std::{
    fs::{File, Metadata},
    io::{self, ErrorKind},
    os::unix::fs::MetadataExt,
    path::Path,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderValue};
use pixie_core::{Error, Result};

use super::beneath;
use crate::files::coding::{Coding, is_compressible};

/// Within this time, a second change may not change the time of the file: clocks of file systems have a
/// resolution of up to two seconds.
const SETTLING: Duration = Duration::from_secs(2);
/// Build tools that produce reproducible files set a time near zero. Such a time carries no information.
const EARLIEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What lies at a path.
pub(super) enum Found {
    File(OpenFile),
    Folder,
}

/// An open file, with its stamp at that moment.
pub(super) struct OpenFile {
    pub(super) file: File,
    pub(super) stamp: Stamp,
    /// The content coding of its bytes.
    pub(super) coding: Option<Coding>,
}

/// A file's length, time and identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) length: u64,
    /// The time of the last change, if it carries information.
    pub(super) modified: Option<SystemTime>,
    /// Device, inode number, and the time of the last inode change, which programs cannot set.
    identity: (u64, u64, i64, i64),
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Stamp {
        let earliest = SystemTime::UNIX_EPOCH + EARLIEST;
        let modified = metadata.modified().ok().filter(|time| *time >= earliest);
        let identity = (metadata.dev(), metadata.ino(), metadata.ctime(), metadata.ctime_nsec());
        Stamp { length: metadata.len(), modified, identity }
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

impl OpenFile {
    /// Returns the compressed file beside this one that the client prefers, or this file.
    pub(super) fn in_preferred_coding(
        self,
        root: &Path,
        path: &str,
        media: &HeaderValue,
        request: &HeaderMap,
    ) -> Result<OpenFile> {
        let mut untried = if self.has_forms(media) { Coding::ALL.to_vec() } else { Vec::new() };
        while let Some(coding) = Coding::preferred(request, untried.iter().copied()) {
            if let Some(compressed) = self.in_coding(root, path, coding)? {
                return Ok(compressed);
            }
            untried.retain(|other| *other != coding);
        }
        Ok(self)
    }

    /// Returns whether a compressed file beside this one may be sent in its place.
    pub(super) fn has_forms(&self, media: &HeaderValue) -> bool {
        self.coding.is_none() && is_compressible(media)
    }

    /// Opens the compressed file beside this one. Ignores it if it is older, because it was then made from
    /// another version.
    pub(super) fn in_coding(&self, root: &Path, path: &str, coding: Coding) -> Result<Option<OpenFile>> {
        let path = format!("{path}.{}", coding.extension());
        let Some(Found::File(beside)) = find(root, &path)? else { return Ok(None) };
        let compressed = OpenFile { coding: Some(coding), ..beside };
        Ok(Some(compressed).filter(|compressed| compressed.stamp.is_as_new_as(&self.stamp)))
    }
}

/// Opens the file or folder at a path. Returns `None` for devices, pipes and sockets.
pub(super) fn find(root: &Path, path: &str) -> Result<Option<Found>> {
    let open = || -> io::Result<Option<Found>> {
        let Some(file) = beneath::open(root, path)? else { return Ok(None) };
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Ok(Some(Found::Folder));
        }
        let stamp = Stamp::of(&metadata);
        // Such a file is an SVG only after decoding, so its media type is not enough.
        let is_svgz = path.rsplit_once('.').is_some_and(|(_, extension)| extension.eq_ignore_ascii_case("svgz"));
        let coding = is_svgz.then_some(Coding::Gzip);
        Ok(metadata.is_file().then_some(Found::File(OpenFile { file, stamp, coding })))
    };
    open().map_err(|error| failed(root, path, error))
}

fn failed(root: &Path, path: &str, error: io::Error) -> Error {
    // A missing file is not an error. A missing root folder is a mistake in the app.
    let hint = if error.kind() == ErrorKind::NotFound {
        "; check that the path is relative to the working directory"
    } else {
        ""
    };
    let message = format!("cannot open `{path}` in the folder `{}`: {error}{hint}", root.display());
    // Its status and headers come from the cause.
    Error::from(error).with_chain(vec![message]).with_place(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_opened_now_is_a_503_and_a_broken_disk_a_500() {
        let status = |number| failed(Path::new("/"), "a.txt", io::Error::from_raw_os_error(number)).status().as_u16();
        assert_eq!((status(24), status(5)), (503, 500));
    }
}
