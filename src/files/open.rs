//! Opens what a name leads to: a file, a compressed file beside it, or a folder.
use std::{
    fs::File,
    io::{self, ErrorKind},
    path::Path,
};

use http::{HeaderMap, HeaderValue};
use pixie_core::{Error, Result};

use super::{beneath, stamp::Stamp};
use crate::files::coding::{Coding, is_compressible};

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

impl OpenFile {
    /// Returns the compressed file beside this one that the client prefers, or this file.
    pub(super) fn in_preferred_coding(
        self,
        root: &Path,
        path: &str,
        media: &HeaderValue,
        request: &HeaderMap,
    ) -> Result<OpenFile> {
        let mut untried = if is_compressible(media) { Coding::ALL.to_vec() } else { Vec::new() };
        while let Some(coding) = Coding::preferred(request, untried.iter().copied()) {
            if let Some(compressed) = self.in_coding(root, path, coding)? {
                return Ok(compressed);
            }
            untried.retain(|other| *other != coding);
        }
        Ok(self)
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
        Ok(metadata.is_file().then_some(Found::File(OpenFile { file, stamp, coding: None })))
    };
    open().map_err(|error| failed(root, path, &error))
}

fn failed(root: &Path, path: &str, error: &io::Error) -> Error {
    // A missing file is not an error. A missing root folder is a mistake in the app.
    let hint = if error.kind() == ErrorKind::NotFound {
        "; check that the path is relative to the working directory"
    } else {
        ""
    };
    Error::internal(format!("cannot open `{path}` in the folder `{}`: {error}{hint}", root.display())).with_place(None)
}
