//! The certificates of the server: an authority that issues a new one again and again, and a client that
//! trusts it.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

use bench_kit::{Result, process::PAUSE};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, ServerName},
};
use tempfile::TempDir;

/// Limits how long the server may take to serve a new certificate. It looks at its files each 50 ms.
const LIMIT: Duration = Duration::from_secs(10);

/// The name in the certificates.
const NAME: &str = "127.0.0.1";

/// The files of the server's certificate and key, and who issues them.
pub(crate) struct Certificates {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
    current: CertificateDer<'static>,
}

impl Certificates {
    pub(crate) fn new() -> Result<Certificates> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Certificates with the name of their authority would count as self-signed.
        params.distinguished_name.push(DnType::CommonName, "authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let current = issuer.der().clone();
        let mut certificates = Certificates { folder: tempfile::tempdir()?, issuer, current };
        certificates.replace()?;
        Ok(certificates)
    }

    /// Returns the files of the certificate and of its key.
    pub(crate) fn paths(&self) -> [PathBuf; 2] {
        ["certificate.pem", "key.pem"].map(|name| self.folder.path().join(name))
    }

    /// Returns the settings of a client that trusts these certificates only.
    pub(crate) fn client(&self) -> Result<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone())?;
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        Ok(config.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth())
    }

    /// Replaces the files by a new certificate with a new key, and returns after which time a new connection
    /// gets it.
    pub(crate) fn change(&mut self, server: SocketAddr) -> Result<Duration> {
        self.replace()?;
        let started = Instant::now();
        while self.check(server).is_err() {
            if started.elapsed() > LIMIT {
                return Err(format!("wait for a new certificate: it took longer than {LIMIT:?}").into());
            }
            sleep(PAUSE);
        }
        Ok(started.elapsed())
    }

    /// Fails if a new connection does not get the current certificate.
    pub(crate) fn check(&self, server: SocketAddr) -> Result<()> {
        let mut tls = ClientConnection::new(Arc::new(self.client()?), ServerName::try_from(NAME)?)?;
        let mut socket = TcpStream::connect(server)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut socket)?;
        }
        match tls.peer_certificates() {
            Some([first, ..]) if *first == self.current => Ok(()),
            _ => Err("a new connection got an old certificate".into()),
        }
    }

    fn replace(&mut self) -> Result<()> {
        let key = KeyPair::generate()?;
        let made = CertificateParams::new([NAME.to_owned()])?.signed_by(&key, &self.issuer)?;
        let [certificate, private] = self.paths();
        // The server must not use the certificate before its key is there.
        fs::write(certificate, made.pem())?;
        fs::write(private, key.serialize_pem())?;
        self.current = made.der().clone();
        Ok(())
    }
}
