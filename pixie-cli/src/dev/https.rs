//! The local certificate of `pixie dev --https`, kept in the user's cache until it is about to expire.
//!
//! The certificate signs itself and is valid for this machine's own names only, so it is useless elsewhere.
//! One file holds the certificate and its key, so that two starts at the same time cannot mix two pairs.

use std::{
    env, fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::{
    ServerConfig,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use time::{Duration, OffsetDateTime};

use crate::{error::Error, output};

/// How long a certificate is valid. Browsers accept at most 398 days.
const VALID: Duration = Duration::days(365);
/// How long before its end a certificate is replaced, so that it does not expire during a session.
const RENEWED_BEFORE: Duration = Duration::days(30);
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

pub(crate) struct Certificate {
    /// The file with the certificate and its key.
    pub(crate) file: PathBuf,
    /// What this process needs to answer in place of the program.
    pub(crate) config: Arc<ServerConfig>,
}

impl Certificate {
    /// Returns the certificate of an earlier session, or makes one.
    pub(crate) fn find() -> Result<Certificate, Error> {
        let folder = cache()
            .ok_or_else(|| Error::new("no folder for the certificate of --https").help("set HOME or XDG_CACHE_HOME"))?;
        let file = folder.join("localhost.pem");
        let failed = |error: io::Error| {
            Error::new(format_args!("could not write the certificate of --https: {error}")).at(file.display())
        };
        if let Some(config) = usable(&file) {
            return Ok(Certificate { file, config });
        }
        fs::create_dir_all(&folder).map_err(failed)?;
        write(&file, &make()?).map_err(failed)?;
        output::status("Certificate", file.display());
        output::help("browsers warn about it until you trust this file");
        match usable(&file) {
            Some(config) => Ok(Certificate { file, config }),
            None => Err(failed(io::Error::other("another process has replaced it"))),
        }
    }
}

fn cache() -> Option<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let user =
        || absolute("HOME").map(|home| home.join(if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" }));
    Some(absolute("XDG_CACHE_HOME").or_else(user)?.join("pixie"))
}

/// Returns what TLS needs if the file has a certificate with its key and is not too old.
fn usable(file: &Path) -> Option<Arc<ServerConfig>> {
    let age = SystemTime::now().duration_since(fs::metadata(file).ok()?.modified().ok()?).ok()?;
    if age > VALID - RENEWED_BEFORE {
        return None;
    }
    let chain = vec![CertificateDer::from_pem_file(file).ok()?];
    let key = PrivateKeyDer::from_pem_file(file).ok()?;
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions().ok()?;
    config.with_no_client_auth().with_single_cert(chain, key).ok().map(Arc::new)
}

/// Returns a new certificate and its key as PEM.
fn make() -> Result<String, Error> {
    let failed = |error| Error::new(format_args!("could not make the certificate of --https: {error}"));
    let key = KeyPair::generate().map_err(failed)?;
    let mut params = CertificateParams::new(NAMES.map(str::to_owned)).map_err(failed)?;
    params.distinguished_name.push(DnType::CommonName, "pixie dev on this machine");
    params.not_before = OffsetDateTime::now_utc() - Duration::HOUR;
    params.not_after = OffsetDateTime::now_utc() + VALID;
    let certificate = params.self_signed(&key).map_err(failed)?;
    Ok([certificate.pem(), key.serialize_pem()].concat())
}

/// Writes a file that only this user can read, in one step.
fn write(file: &Path, text: &str) -> io::Result<()> {
    let unfinished = file.with_extension(format!("{}.tmp", std::process::id()));
    let mut writer = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    writer.write_all(text.as_bytes())?;
    fs::rename(unfinished, file)
}
