//! What a name leads to: a file, its compressed form beside it, or a folder.
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

/// A file that is open, as it was at that moment.
pub(super) struct OpenFile {
    pub(super) file: File,
    pub(super) stamp: Stamp,
    /// The coding that its bytes are in.
    pub(super) coding: Option<Coding>,
}

impl OpenFile {
    /// Takes, in its place, the compressed form beside it that the client likes best, if it prefers one.
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

    /// Opens the compressed form beside it, unless that is older and so was made from something else.
    pub(super) fn in_coding(&self, root: &Path, path: &str, coding: Coding) -> Result<Option<OpenFile>> {
        let path = format!("{path}.{}", coding.extension());
        let Some(Found::File(beside)) = find(root, &path)? else { return Ok(None) };
        let compressed = OpenFile { coding: Some(coding), ..beside };
        Ok(Some(compressed).filter(|compressed| compressed.stamp.is_as_new_as(&self.stamp)))
    }
}

/// Opens what lies at a path; a device, a pipe or a socket is nothing.
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
    // What is not found beneath the root is nothing; that the root itself is missing is a mistake of the app.
    let hint = if error.kind() == ErrorKind::NotFound { "; is it relative to another folder?" } else { "" };
    Error::internal(format!("cannot open `{path}` in the folder `{}`: {error}{hint}", root.display())).with_place(None)
}
