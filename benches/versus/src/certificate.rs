//! The certificate of all servers, made for each run.

use std::{fs, path::PathBuf};

use tempfile::TempDir;

use crate::Result;

/// Makes a certificate, and returns its folder, its file and the file of its key.
pub fn make() -> Result<(TempDir, [PathBuf; 2])> {
    let folder = tempfile::tempdir()?;
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    let files = ["certificate.pem", "key.pem"].map(|name| folder.path().join(name));
    fs::write(&files[0], made.cert.pem())?;
    fs::write(&files[1], made.signing_key.serialize_pem())?;
    Ok((folder, files))
}
