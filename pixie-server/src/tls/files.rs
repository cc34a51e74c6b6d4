//! From the content of files to what rustls needs: certificates, keys, and the choice between them.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    RootCertStore, ServerConfig,
    client::verify_server_name,
    pki_types::{
        CertificateDer, PrivateKeyDer, ServerName,
        pem::{self, PemObject},
    },
    server::{ClientHello, ParsedCertificate, ResolvesServerCert, WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::CertifiedKey,
};

use super::provider;

/// The protocols that are offered to clients, the preferred one first (ALPN, RFC 7301).
const PROTOCOLS: &[&[u8]] = &[b"h2", b"http/1.1"];

/// Limits a file, in bytes. Four times the authorities of all browsers.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The files of a listener.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    /// Certificates with their keys.
    pub(super) pairs: Vec<(PathBuf, PathBuf)>,
    /// The authorities of client certificates.
    pub(super) authorities: Option<PathBuf>,
    pub(super) is_client_optional: bool,
}

/// The content of all files in the order of `Paths`, or why a file cannot be read.
pub(super) type Contents = Vec<Result<Vec<u8>, String>>;

impl Paths {
    pub(super) fn read(&self) -> Contents {
        let pairs = self.pairs.iter().flat_map(|(certificate, key)| [certificate, key]);
        pairs.chain(&self.authorities).map(|path| read(path).map_err(|error| error.to_string())).collect()
    }

    /// Returns what handshakes need. It depends on the contents only.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with which file, and the fix.
    pub(super) fn config(&self, contents: &Contents) -> Result<ServerConfig, String> {
        let provider = Arc::new(provider());
        let mut contents = contents.iter();
        let mut keys = Vec::new();
        for (certificate, key) in &self.pairs {
            let chain = certificates(certificate, contents.next())?;
            let private = private_key(key, contents.next())?;
            let certified = CertifiedKey::from_der(chain, private, &provider).map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => format!(
                    "{} is not the key of the certificate in {}; use the two files that were made together",
                    key.display(),
                    certificate.display()
                ),
                error => format!(
                    "cannot use {} with {}: {error}; use a key for RSA, ECDSA (P-256, P-384, P-521) or Ed25519",
                    certificate.display(),
                    key.display()
                ),
            })?;
            keys.push(Arc::new(certified));
        }
        let config = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
        let config = config.map_err(|error| format!("cannot set up TLS: {error}"))?;
        let config = match &self.authorities {
            None => config.with_no_client_auth(),
            Some(path) => config.with_client_cert_verifier(self.verifier(path, contents.next())?),
        };
        let mut config = config.with_cert_resolver(Arc::new(ByName(keys)));
        config.alpn_protocols = PROTOCOLS.iter().map(|name| name.to_vec()).collect();
        // Resumed sessions need no memory of the server. New certificates come with a new key of tickets, so
        // that a client whose authority was removed cannot resume.
        config.ticketer = super::ticketer().map_err(|error| format!("cannot set up TLS: {error}"))?;
        Ok(config)
    }

    fn verifier(
        &self,
        path: &Path,
        content: Option<&Result<Vec<u8>, String>>,
    ) -> Result<Arc<dyn ClientCertVerifier>, String> {
        let wrong = |error: &dyn fmt::Display| format!("cannot use the authorities in {}: {error}", path.display());
        let mut roots = RootCertStore::empty();
        for authority in certificates(path, content)? {
            roots.add(authority).map_err(|error| wrong(&error))?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(provider()));
        let verifier = if self.is_client_optional { verifier.allow_unauthenticated() } else { verifier };
        verifier.build().map_err(|error| wrong(&error))
    }
}

/// The names of the certificates, for a line in the log.
impl fmt::Display for Paths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.pairs.iter().map(|(certificate, _)| certificate.display().to_string()).collect();
        f.write_str(&names.join(", "))
    }
}

/// Reads a file. A file without an end, such as a device, is an error.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > FILE_BYTES_MAX {
        true => Err(io::Error::other("it has more than 4 MiB")),
        false => Ok(bytes),
    }
}

fn content<'c>(path: &Path, content: Option<&'c Result<Vec<u8>, String>>) -> Result<&'c [u8], String> {
    match content {
        Some(Ok(bytes)) => Ok(bytes),
        Some(Err(error)) => {
            let path = path.display();
            Err(format!("cannot read {path}: {error}; check the path, and that this user may read the file"))
        }
        None => Ok(&[]),
    }
}

fn certificates(path: &Path, found: Option<&Result<Vec<u8>, String>>) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(content(path, found)?).collect();
    let found = read.map_err(|error| {
        let what = match error {
            pem::Error::MissingSectionEnd { .. } => "the file ends within a certificate".to_owned(),
            error => error.to_string(),
        };
        format!("cannot read the certificates in {}: {what}; write the file anew, in PEM form", path.display())
    })?;
    match found.is_empty() {
        false => Ok(found),
        true => Err(format!(
            "{} has no certificate; it needs a part that starts with -----BEGIN CERTIFICATE-----",
            path.display()
        )),
    }
}

fn private_key(path: &Path, found: Option<&Result<Vec<u8>, String>>) -> Result<PrivateKeyDer<'static>, String> {
    let bytes = content(path, found)?;
    PrivateKeyDer::from_pem_slice(bytes).map_err(|error| {
        let path = path.display();
        let is_encrypted = String::from_utf8_lossy(bytes).contains("ENCRYPTED");
        match is_encrypted {
            true => format!("the key in {path} is encrypted; write it without a password: openssl pkey -in {path}"),
            false => format!(
                "{path} has no usable key ({error}); it needs a part that starts with -----BEGIN PRIVATE KEY-----"
            ),
        }
    })
}

/// Chooses a certificate by the name that the client asks for.
#[derive(Debug)]
struct ByName(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let is_valid = |key: &&Arc<CertifiedKey>| {
            let (Some(name), Some(certificate)) = (&name, key.cert.first()) else { return false };
            let parsed = ParsedCertificate::try_from(certificate);
            parsed.is_ok_and(|parsed| verify_server_name(&parsed, name).is_ok())
                && key.key.choose_scheme(hello.signature_schemes()).is_some()
        };
        let chosen = if self.0.len() > 1 { self.0.iter().find(is_valid) } else { None };
        chosen.or(self.0.first()).cloned()
    }
}
