//! Resolve, compare, open. Whoever may change the folder between the second and the third step could win a race; a client
//! cannot.
use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    path::Path,
};

/// Opens a file, or a folder where the system can open folders; nothing where there is none that may be read, an error
/// where the disk or the root fails.
pub(crate) fn open(root: &Path, path: &str) -> io::Result<Option<File>> {
    let root = root.canonicalize()?;
    let resolved = match root.join(path).canonicalize() {
        Ok(resolved) if resolved.starts_with(&root) => resolved,
        Ok(_) => return Ok(None),
        Err(error) => return absent(error),
    };
    // To open a named pipe would wait for somebody to write to it.
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
