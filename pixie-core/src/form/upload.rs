//! `Upload`: one file of a form, in memory or in a temporary file.
//!
//! Invariant: the last value of the process that made a temporary file removes it.
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Cursor, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::form::{file_name, part_head::PartHead};
use bytes::Bytes;

/// A file of a form.
///
/// As an argument of a handler, it is the file of the field with the argument's name:
/// `fn keep(photo: Upload)` takes the file of `<input type="file" name="photo">`. `Option<Upload>` is for an
/// optional file, `Vec<Upload>` for all files of the field, and [`Uploads`](crate::Uploads) for all files of
/// the form. The route's `body_limit` applies to the whole form: raise it for files (`body_limit = "20MB"`).
///
/// ```
/// use pixie_core::{Form, Result, Upload};
/// #[derive(serde::Deserialize)]
/// struct Caption { text: String }
///
/// fn keep(photo: Upload, Form(caption): Form<Caption>) -> Result<String> {
///     let answer = format!("{} ({} bytes): {}", photo.file_name(), photo.len(), caption.text);
///     photo.persist("/srv/photos/newest")?;
///     Ok(answer)
/// }
/// ```
#[doc(alias("file upload", "multipart", "file"))]
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
    /// Returns an upload whose bytes are in memory.
    pub fn in_memory(head: PartHead, bytes: Bytes) -> Upload {
        Upload::new(head, Content::Memory(bytes))
    }

    /// Returns an upload whose bytes are in a file.
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

    /// Returns the name of the file, cleaned: one path component that is visible, not empty, and safe on any
    /// system.
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// Returns the name of the file as the client sent it. It may be a path: do not open or write a file with
    /// this name.
    pub fn raw_file_name(&self) -> &str {
        self.head.file_name.as_deref().unwrap_or_default()
    }

    /// Returns the media type that the client sent. The content was not checked.
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

    /// Returns whether the file has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the path of the temporary file, if the file was too large for memory. It is removed with the
    /// request.
    pub fn path(&self) -> Option<&Path> {
        match &self.content {
            Content::Memory(_) => None,
            Content::File { file, .. } => Some(&file.path),
        }
    }

    /// Returns all bytes. Reads a temporary file into memory.
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

    /// Saves the file under a new path.
    ///
    /// A temporary file on the same file system is linked, otherwise the bytes are copied. The file has the
    /// mode of other new files of the program.
    ///
    /// # Errors
    ///
    /// Returns `AlreadyExists` if the path exists, and other errors of the file system.
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
            // Removes an incomplete file. The error of the copy is more useful than an error of the removal.
            let _ = fs::remove_file(path);
        }
        copied
    }

    /// Returns whether the browser sent it for a file input without a file.
    pub(crate) fn is_blank(&self) -> bool {
        self.raw_file_name().is_empty() && self.is_empty()
    }
}

/// A temporary file with the content of an upload.
#[derive(Debug)]
pub struct SpooledFile {
    path: PathBuf,
    /// `None` if another value or process removes the file.
    remove: Option<fn(PathBuf)>,
}

impl SpooledFile {
    /// Takes over a file. When this value is dropped, on any thread, `remove` removes the file.
    pub fn owned(path: PathBuf, remove: fn(PathBuf)) -> SpooledFile {
        SpooledFile { path, remove: Some(remove) }
    }

    /// Refers to a file that another value or process removes.
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
