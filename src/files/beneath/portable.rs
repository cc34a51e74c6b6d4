//! Resolves the path, compares it with the folder, and opens it. A process that may change the folder could
//! change it between the last two steps. A client cannot.
use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    path::Path,
};

/// Opens a file, or a folder if the system can open folders. Returns `None` if it does not exist or may not
/// be read, and an error if the disk or the root fails.
pub(crate) fn open(root: &Path, path: &str) -> io::Result<Option<File>> {
    let root = root.canonicalize()?;
    let resolved = match root.join(path).canonicalize() {
        Ok(resolved) if resolved.starts_with(&root) => resolved,
        Ok(_) => return Ok(None),
        Err(error) => return absent(error),
    };
    // Opening a named pipe would wait for a writer.
    match fs::metadata(&resolved) {
        Ok(found) if found.is_file() || found.is_dir() => File::open(resolved).map(Some).or_else(absent),
        Ok(_) => Ok(None),
        Err(error) => absent(error),
    }
}

fn absent<T>(error: io::Error) -> io::Result<Option<T>> {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied => Ok(None),
        ErrorKind::InvalidInput | ErrorKind::InvalidFilename => Ok(None),
        _ => Err(error),
    }
}
