//! TLS between HAProxy and the app, with certificates on both sides.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::Arc,
    thread,
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use serde_json::json;

use crate::{
    app::{deployed, shop},
    balancer::Balancer,
};

/// An authority, and the file with its certificate.
struct Authority(Issuer<'static, KeyPair>, String);

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Another name than that of the certificates, which otherwise seem to be signed by themselves.
        params.distinguished_name.push(DnType::CommonName, "the authority of a test");
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority(Issuer::new(params, key), pem)
    }

    /// Returns a certificate for `localhost` and its key.
    fn sign(&self) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        (CertificateParams::new(["localhost".into()]).unwrap().signed_by(&key, &self.0).unwrap(), key)
    }

    /// Writes a certificate and its key into one file.
    fn sign_into(&self, path: &Path) -> String {
        let (certificate, key) = self.sign();
        fs::write(path, certificate.pem() + &key.serialize_pem()).unwrap();
        path.display().to_string()
    }
}

/// Starts a host that only answers clients with a certificate of the authority.
fn host(authority: &Authority) -> SocketAddr {
    let (certificate, key) = authority.sign();
    let mut roots = RootCertStore::empty();
    let (pem, provider) = (authority.1.as_bytes(), Arc::new(rustls::crypto::ring::default_provider()));
    roots.add(rustls::pki_types::pem::PemObject::from_pem_slice(pem).unwrap()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = config.with_client_cert_verifier(verifier).with_single_cert(vec![certificate.der().clone()], key);
    let (config, listener) = (Arc::new(config.unwrap()), TcpListener::bind("127.0.0.1:0").unwrap());
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream);
            thread::spawn(move || {
                // Requests of this test fit into one read.
                while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
                }
            });
        }
    });
    address
}

#[test]
fn both_sides_check_the_certificate_of_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, others) = (Authority::new(), Authority::new());
    let [ca, other_ca] = [("ca.pem", &ours), ("other-ca.pem", &others)].map(|(name, authority)| {
        fs::write(folder.path().join(name), &authority.1).unwrap();
        folder.path().join(name).display().to_string()
    });
    let certificate = ours.sign_into(&folder.path().join("balancer.pem"));
    let other_certificate = others.sign_into(&folder.path().join("other.pem"));
    let mut told = shop();
    (told["agent"], told["tls"]) = (json!(null), json!(true));
    let hosts = format!("all={}", host(&ours));
    for (ca, certificate, status) in [
        (&ca, Some(&certificate), 200),
        (&ca, None, 503),
        (&ca, Some(&other_certificate), 503),
        (&other_ca, Some(&certificate), 503),
    ] {
        let mut arguments = vec!["haproxy", "--hosts", &hosts, "--tls-ca", ca];
        arguments.extend(certificate.iter().flat_map(|certificate| ["--tls-cert", certificate]));
        let balancer = Balancer::start(&deployed(&told, &arguments));
        for method in ["GET", "POST"] {
            let response =
                balancer.connect().ask(&format!("{method} / HTTP/1.1\r\ncontent-length: 0")).expect("an answer");
            let is_right = response.status == status || status == 503 && response.status == 502;
            assert!(is_right, "{method} {ca} {certificate:?}: {}", response.status);
        }
    }
}
