//! `Upload`: one file of a form, in memory or in a temporary file, and the extractors that hand files to a handler.
//!
//! Reading and keeping happen when the handler asks for them. Must stay true: a temporary file is removed by the last value
//! of the process that made it, so nothing has to be cleaned up by hand.
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Cursor, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{PartHead, form::file_name};
use bytes::Bytes;

/// A file that was sent with a form.
///
/// As an argument of a route's handler it is the file of the field that has the argument's name:
/// `fn keep(photo: Upload)` takes what `<input type="file" name="photo">` sends. `Option<Upload>` may be left out,
/// `Vec<Upload>` takes all files of the field, [`Uploads`] those of the whole form. The route's limit of the body holds for
/// the whole form: raise it for files (`body_limit = "20MB"`).
#[derive(Clone, Debug)]
pub struct Upload {
    head: PartHead,
    file_name: String,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Memory(Bytes),
    File { file: Arc<SpooledFile>, len: u64 },
}

impl Upload {
    /// Makes one of bytes.
    pub fn in_memory(head: PartHead, bytes: Bytes) -> Upload {
        Upload::new(head, Content::Memory(bytes))
    }

    /// Makes one of a file.
    pub fn in_file(head: PartHead, file: SpooledFile, len: u64) -> Upload {
        Upload::new(head, Content::File { file: Arc::new(file), len })
    }

    fn new(head: PartHead, content: Content) -> Upload {
        let file_name = file_name::cleaned(head.file_name.as_deref().unwrap_or_default());
        Upload { head, file_name, content }
    }

    /// Returns the name of the form's field.
    pub fn field(&self) -> &str {
        &self.head.name
    }

    /// Returns the file's name, cleaned: one visible path component that is safe on any system, never empty.
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// Returns the file's name as the client sent it; it may be a path, so never open or write what it says.
    pub fn raw_file_name(&self) -> &str {
        self.head.file_name.as_deref().unwrap_or_default()
    }

    /// Returns the type that the client says the file has; nobody has looked at its content.
    pub fn content_type(&self) -> Option<&str> {
        self.head.content_type.as_deref()
    }

    /// Returns the number of bytes.
    pub fn len(&self) -> u64 {
        match &self.content {
            Content::Memory(bytes) => bytes.len() as u64,
            Content::File { len, .. } => *len,
        }
    }

    /// Says whether the file has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the temporary file that holds it, if it was too large for memory; it goes away with the request.
    pub fn path(&self) -> Option<&Path> {
        match &self.content {
            Content::Memory(_) => None,
            Content::File { file, .. } => Some(&file.path),
        }
    }

    /// Returns all bytes; what is in a temporary file is read into memory.
    pub fn bytes(&self) -> io::Result<Bytes> {
        match &self.content {
            Content::Memory(bytes) => Ok(bytes.clone()),
            Content::File { file, .. } => fs::read(&file.path).map(Bytes::from),
        }
    }

    /// Returns a reader that starts at the first byte.
    pub fn reader(&self) -> io::Result<UploadReader> {
        Ok(UploadReader(match &self.content {
            Content::Memory(bytes) => Source::Memory(Cursor::new(bytes.clone())),
            Content::File { file, .. } => Source::File(File::open(&file.path)?),
        }))
    }

    /// Keeps the file under this path, where none may be yet: fails with `AlreadyExists` otherwise.
    ///
    /// A temporary file is linked if the path is on the same file system, and then only this user may read it; else it is
    /// copied.
    pub fn persist(self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        if let Content::File { file, .. } = &self.content {
            match fs::hard_link(&file.path, path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {}
                linked => return linked,
            }
        }
        let mut kept = OpenOptions::new().write(true).create_new(true).open(path)?;
        let copied = self.reader().and_then(|mut reader| io::copy(&mut reader, &mut kept)).and_then(|_| kept.flush());
        if copied.is_err() {
            // Half a file is worse than none; the error that says why is the one to return.
            let _ = fs::remove_file(path);
        }
        copied
    }

    /// Says whether the browser sent it for a file input that was left empty.
    pub(crate) fn is_blank(&self) -> bool {
        self.raw_file_name().is_empty() && self.is_empty()
    }
}

/// A temporary file with an upload's content.
#[derive(Debug)]
pub struct SpooledFile {
    path: PathBuf,
    /// `None` where somebody else removes it.
    remove: Option<fn(PathBuf)>,
}

impl SpooledFile {
    /// Takes over a file, which goes with this value: by this function, on whichever thread that happens.
    pub fn owned(path: PathBuf, remove: fn(PathBuf)) -> SpooledFile {
        SpooledFile { path, remove: Some(remove) }
    }

    /// Refers to a file that somebody else removes.
    pub fn lent(path: PathBuf) -> SpooledFile {
        SpooledFile { path, remove: None }
    }
}

impl Drop for SpooledFile {
    fn drop(&mut self) {
        if let Some(remove) = self.remove {
            remove(std::mem::take(&mut self.path));
        }
    }
}

/// Reads an upload.
#[derive(Debug)]
pub struct UploadReader(Source);

#[derive(Debug)]
enum Source {
    Memory(Cursor<Bytes>),
    File(File),
}

impl Read for UploadReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Source::Memory(bytes) => bytes.read(buf),
            Source::File(file) => file.read(buf),
        }
    }
}

impl Seek for UploadReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match &mut self.0 {
            Source::Memory(bytes) => bytes.seek(to),
            Source::File(file) => file.seek(to),
        }
    }
}
